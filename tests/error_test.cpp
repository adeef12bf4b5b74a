// The one numbering of errors, against each of the places that show it.
#include <gtest/gtest.h>
#include <zipc.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <zipc/error.hpp>

namespace zipc {
namespace {

std::string read(const std::string& path) {
  std::ifstream file(std::string(ZIPC_SOURCE_DIR) + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(toupper(c));
  return text;
}

TEST(ErrorTable, HasADistinctNameSummaryAndAdviceForEachError) {
  std::set<std::string> names;
  for (int number = 1; number < kErrorCount; ++number) {
    const ErrorInfo& info = error_info(static_cast<Error>(number));
    EXPECT_EQ(static_cast<int>(info.code), number);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(names.insert(info.varlink_name).second) << info.varlink_name;
    EXPECT_NE(std::string(info.summary), "");
    EXPECT_NE(std::string(info.advice), "");
  }
}

TEST(ErrorTable, HasTheNumbersAndNamesOfTheCHeader) {
  const std::string header = read("/client/zipc.h");
  for (int number = 1; number < kErrorCount; ++number) {
    const std::string line =
        "ZIPC_ERROR_" + upper(error_info(static_cast<Error>(number)).name) + " = " + std::to_string(number);
    EXPECT_NE(header.find(line), std::string::npos) << line;
  }
}

TEST(ErrorTable, NamesEveryErrorOfTheInterfaceFile) {
  std::set<std::string> known;
  for (int number = 1; number < kErrorCount; ++number) known.insert(error_info(static_cast<Error>(number)).varlink_name);
  std::istringstream lines(read("/common/io.zipc.Broker.varlink"));
  int errors = 0;
  for (std::string word, name; lines >> word;) {
    if (word != "error") continue;
    lines >> name;
    ++errors;
    EXPECT_TRUE(known.contains(name)) << name;
  }
  EXPECT_GT(errors, 10);
}

TEST(ErrorTable, GivesTheSystemErrorForANumberOutsideIt) {
  EXPECT_EQ(error_info(static_cast<Error>(-1)).code, Error::system);
  EXPECT_EQ(error_info(static_cast<Error>(kErrorCount)).code, Error::system);
}

}  // namespace
}  // namespace zipc
