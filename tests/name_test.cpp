#include "common/name.h"

#include <gtest/gtest.h>

namespace zipc {
namespace {

TEST(Name, AcceptsPrintableNamesFromTwoCharactersToTheLongest) {
  for (const std::string& name : {std::string("/a"), std::string("/camera.left-1_x"), std::string("/..."), std::string("/~!"),
                                  "/" + std::string(kNameSizeMax - 1, 'x')}) {
    EXPECT_TRUE(check_name(name)) << name;
  }
}

TEST(Name, RefusesWhatIsNotAFileNameBehindOneSlash) {
  for (const std::string& name : {std::string(""), std::string("/"), std::string("camera"), std::string("/a/b"),
                                  std::string("/../x"), std::string("/.."), std::string("/."), std::string("//"),
                                  std::string("/a b"), std::string("/a\n"), std::string("/a\x7f"), std::string("/\xc3\xa4"),
                                  std::string("/a\0b", 4), "/" + std::string(kNameSizeMax, 'x')}) {
    EXPECT_EQ(check_name(name).error(), Error::invalid_name) << name;
  }
}

TEST(Name, SaysWhichPartOfTheRuleIsBrokenWithoutRepeatingControlCharacters) {
  EXPECT_EQ(check_name("camera").failure().message, "channel name 'camera' must start with '/'");
  const auto failure = check_name("/a\x1b[31m/b").failure();
  EXPECT_EQ(failure.message.find('\x1b'), std::string::npos);
  EXPECT_NE(failure.message.find("second '/'"), std::string::npos);
}

}  // namespace
}  // namespace zipc
