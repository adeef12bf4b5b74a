/// The configuration: what a good file means, and each mistake with the place and the words it is reported by.
#include "config/config.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <zipc/layout.hpp>

#include "config/document.h"

namespace zipc {
namespace {

using namespace std::chrono_literals;
using Mistakes = std::vector<Diagnostic>;

const std::string kFolder = std::string(ZIPC_SOURCE_DIR) + "/config/";

Mistakes mistakes_in(std::string_view text) {
  const ConfigResult result = parse_config(text, "f.yaml");
  const auto* mistakes = std::get_if<Mistakes>(&result);
  return mistakes == nullptr ? Mistakes{} : *mistakes;
}

std::string listed(const Mistakes& mistakes) {
  std::string text;
  for (const Diagnostic& mistake : mistakes) text += to_string(mistake) + "\n";
  return text;
}

Config good(std::string_view text) {
  const ConfigResult result = parse_config(text, "f.yaml");
  if (const auto* config = std::get_if<Config>(&result)) return *config;
  ADD_FAILURE() << listed(std::get<Mistakes>(result));
  return {};
}

void expect(const Diagnostic& mistake, const std::string& place, std::initializer_list<std::string> words) {
  const std::string text = to_string(mistake);
  EXPECT_EQ(text.rfind("f.yaml:" + place + ": ", 0), 0u) << text << "\nexpected at " << place;
  for (const std::string& word : words)
    EXPECT_NE(mistake.message.find(word), std::string::npos) << text << "\nlacks " << word;
}

/// Exactly one mistake, at `place` ("line:column"), with these words in its message.
void expect_mistake(std::string_view text, const std::string& place, std::initializer_list<std::string> words) {
  const Mistakes mistakes = mistakes_in(text);
  ASSERT_EQ(mistakes.size(), 1u) << listed(mistakes) << "in:\n" << text;
  expect(mistakes[0], place, words);
}

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

// Good files.

TEST(Config, GivesTheDefaultsForAnEmptyFile) {
  for (const char* text : {"", "\n\n", "# nothing but a comment\n", "---\n", "{}", "socket:\nlimits:\nchannels:\n"}) {
    const Config config = good(text);
    EXPECT_EQ(config.socket.path, "/run/zipcd.sock");
    EXPECT_EQ(config.socket.mode, 0666u);
    EXPECT_EQ(config.socket.group, "");
    EXPECT_EQ(config.limits.channels, 1024u);
    EXPECT_EQ(config.limits.total_bytes, 1u << 30);
    EXPECT_EQ(config.limits.bytes_per_channel, 256u << 20);
    EXPECT_EQ(config.limits.connections, 1024u);
    EXPECT_EQ(config.limits.connections_per_user, 256u);
    EXPECT_EQ(config.limits.channels_per_user, 256u);
    EXPECT_EQ(config.defaults.params, (Params{.queue_size = 64, .message_size = 4096}));
    EXPECT_EQ(config.defaults.linger, 10s);
    EXPECT_EQ(config.defaults.lease_ttl, std::nullopt);
    EXPECT_EQ(config.defaults.waiting, Waiting::adaptive);
    EXPECT_EQ(config.defaults.access.mode, 0600u);
    EXPECT_TRUE(config.dynamic.allow);
    EXPECT_EQ(config.dynamic.names, std::vector<std::string>{"/*"});
    EXPECT_EQ(config.dynamic.linger, 10s);
    EXPECT_EQ(config.dynamic.lease_ttl, std::nullopt);
    EXPECT_EQ(config.dynamic.access.mode, 0600u);
    EXPECT_TRUE(config.channels.empty());
  }
}

TEST(Config, ReadsEveryKey) {
  const Config config = good(R"(socket: {path: /tmp/z.sock, mode: 0660, group: 7}
limits:
  channels: 5
  total_size: 8MiB
  channel_size: 4MiB
  connections: 6
  connections_per_user: 7
  channels_per_user: 8
defaults: {queue_size: 3, message_size: 9, linger: 2s, lease_ttl: 5s, waiting: spin, mode: 0640, owner: 11, group: 12}
dynamic: {allow: false, names: [/a*, "/[!b]?"], linger: 3s, lease_ttl: 6s, waiting: poll, mode: 0606}
channels:
  - {name: /all, queue_size: 4, message_size: 1KiB, linger: forever, lease_ttl: 100ms, waiting: sleep, mode: 0666, owner: root, group: 0}
  - name: /few
)");
  EXPECT_EQ(config.socket.path, "/tmp/z.sock");
  EXPECT_EQ(config.socket.mode, 0660u);
  EXPECT_EQ(config.socket.group, "7");
  EXPECT_EQ(config.limits.channels, 5u);
  EXPECT_EQ(config.limits.total_bytes, 8u << 20);
  EXPECT_EQ(config.limits.bytes_per_channel, 4u << 20);
  EXPECT_EQ(config.limits.connections, 6u);
  EXPECT_EQ(config.limits.connections_per_user, 7u);
  EXPECT_EQ(config.limits.channels_per_user, 8u);
  EXPECT_FALSE(config.dynamic.allow);
  EXPECT_EQ(config.dynamic.names, (std::vector<std::string>{"/a*", "/[!b]?"}));
  EXPECT_EQ(config.dynamic.linger, 3s);
  EXPECT_EQ(config.defaults.lease_ttl, 5s);
  EXPECT_EQ(config.defaults.waiting, Waiting::spin);
  EXPECT_EQ(config.dynamic.lease_ttl, 6s);
  EXPECT_EQ(config.dynamic.waiting, Waiting::poll);
  EXPECT_EQ(config.dynamic.access.mode, 0606u);
  ASSERT_EQ(config.channels.size(), 2u);
  const ChannelConfig& all = config.channels[0];
  EXPECT_EQ(all.name, "/all");
  EXPECT_EQ(all.params, (Params{.queue_size = 4, .message_size = 1024}));
  EXPECT_EQ(all.linger, kLingerForever);
  EXPECT_EQ(all.lease_ttl, 100ms);
  EXPECT_EQ(all.waiting, Waiting::sleep);
  EXPECT_EQ(all.access.mode, 0666u);
  EXPECT_EQ(all.access.owner, "root");
  EXPECT_EQ(all.access.group, "0");
  EXPECT_EQ(all.line, 12);
}

TEST(Config, FillsAChannelFromTheDefaultsEvenWhenTheyStandBelowIt) {
  const Config config = good(R"(channels: [{name: /few}]
dynamic: {mode: 0640}
defaults: {queue_size: 3, message_size: 9, linger: 2s, lease_ttl: 5s, waiting: sleep, mode: 0660, owner: 11, group: 12}
)");
  const ChannelConfig& few = config.channels.at(0);
  EXPECT_EQ(few.params, (Params{.queue_size = 3, .message_size = 9}));
  EXPECT_EQ(few.linger, 2s);
  EXPECT_EQ(few.lease_ttl, 5s);
  EXPECT_EQ(few.waiting, Waiting::sleep);
  EXPECT_EQ(few.access.mode, 0660u);
  EXPECT_EQ(few.access.owner, "11");
  EXPECT_EQ(few.access.group, "12");
  EXPECT_EQ(config.dynamic.linger, 2s);
  EXPECT_EQ(config.dynamic.lease_ttl, 5s);
  EXPECT_EQ(config.dynamic.waiting, Waiting::sleep);
  EXPECT_EQ(config.dynamic.access.mode, 0640u);
}

TEST(Config, ReadsSizesWithAndWithoutUnits) {
  const std::pair<const char*, std::uint32_t> sizes[] = {{"1", 1},           {"4096", 4096},    {"4096B", 4096},
                                                         {"'64'", 64},       {"2KiB", 2048},    {"2 KiB", 2048},
                                                         {"3MiB", 3u << 20}, {"2GiB", 1u << 31}};
  for (const auto& [text, bytes] : sizes) {
    EXPECT_EQ(good("defaults: {message_size: " + std::string(text) + "}").defaults.params.message_size, bytes) << text;
  }
}

TEST(Config, ReadsDurationsWithUnits) {
  const std::pair<const char*, std::chrono::milliseconds> durations[] = {
      {"0", 0ms}, {"0s", 0ms},      {"500ms", 500ms},           {"10s", 10s}, {"10 s", 10s}, {"2min", 2min},
      {"1h", 1h}, {"1000h", 1000h}, {"forever", kLingerForever}};
  for (const auto& [text, duration] : durations) {
    EXPECT_EQ(good("defaults: {linger: " + std::string(text) + "}").defaults.linger, duration) << text;
  }
}

TEST(Config, ReadsTheTimeToLiveOfLeases) {
  const std::pair<const char*, LeaseTtl> ttls[] = {
      {"100ms", 100ms}, {"30s", 30s}, {"5 min", 5min}, {"1000h", 1000h}, {"forever", std::nullopt}};
  for (const auto& [text, ttl] : ttls) {
    EXPECT_EQ(good("dynamic: {lease_ttl: " + std::string(text) + "}").dynamic.lease_ttl, ttl) << text;
  }
}

TEST(Config, LetsAChannelHaveLeasesWithoutEndAlthoughTheDefaultsHaveATimeToLive) {
  const Config config = good("defaults: {lease_ttl: 5s}\nchannels: [{name: /a, lease_ttl: forever}, {name: /b}]\n");
  EXPECT_EQ(config.channels.at(0).lease_ttl, std::nullopt);
  EXPECT_EQ(config.channels.at(1).lease_ttl, 5s);
}

TEST(Config, ReadsEveryWayToWait) {
  for (const Waiting waiting : kWaitings) {
    EXPECT_EQ(good("defaults: {waiting: " + std::string(to_string(waiting)) + "}").defaults.waiting, waiting);
  }
}

TEST(Config, ReadsModesAsOctalHoweverTheyAreWritten) {
  for (const char* text : {"0660", "660", "0o660", "'0660'", "\"660\""}) {
    EXPECT_EQ(good("socket: {mode: " + std::string(text) + "}").socket.mode, 0660u) << text;
  }
}

TEST(Config, ResolvesAliasesAndMergeKeys) {
  const Config config = good(R"(channels:
  - &first {name: /a, queue_size: &size 8, mode: 0640}
  - {name: /b, queue_size: *size}
  - {<<: *first, name: /c, queue_size: 4}
  - {<<: [{linger: 1s}, *first], name: /d}
)");
  ASSERT_EQ(config.channels.size(), 4u);
  EXPECT_EQ(config.channels[1].params.queue_size, 8u);
  EXPECT_EQ(config.channels[2].params.queue_size, 4u);
  EXPECT_EQ(config.channels[2].access.mode, 0640u);
  EXPECT_EQ(config.channels[3].linger, 1s);
  EXPECT_EQ(config.channels[3].params.queue_size, 8u);
}

TEST(Config, AcceptsWindowsLineEndsAndAByteOrderMark) {
  EXPECT_EQ(good("\xEF\xBB\xBFsocket:\r\n  path: /a\r\n  mode: 0600\r\n").socket.path, "/a");
}

TEST(Config, AcceptsASegmentThatFillsALimitExactly) {
  const std::uint64_t size = segment_size({.queue_size = 8, .message_size = 4096});
  const std::string text = "limits: {channel_size: " + std::to_string(size) +
                           ", total_size: " + std::to_string(2 * size) +
                           "}\ndefaults: {queue_size: 8}\nchannels: [{name: /a}, {name: /b}]\n";
  EXPECT_EQ(good(text).channels.size(), 2u);
}

TEST(Config, ParsesTheDefaultFileWhichProvidesNoChannel) {
  const ConfigResult result = load_config_file(kFolder + "zipcd.yaml", ConfigSource::file);
  ASSERT_TRUE(std::holds_alternative<Config>(result)) << listed(std::get<Mistakes>(result));
  const Config& config = std::get<Config>(result);
  EXPECT_TRUE(config.dynamic.allow);
  EXPECT_TRUE(config.channels.empty());
}

/// Whether `line`, its "  # " removed, is a setting: of a key, or of one more channel.
bool is_setting(const std::string& line) {
  const std::size_t key = std::min(line.find_first_not_of(" -"), line.size());
  const std::size_t colon = line.find(": ", key);
  const bool is_account =
      line.compare(key, 5, "owner") == 0 || line.compare(key, 5, "group") == 0;  // not on any machine
  return !is_account && colon != std::string::npos &&
         line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", key) == colon;
}

/// The default file with its settings that are commented out put in force.
std::string uncommented(const std::string& text) {
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    const bool is_comment = line.rfind("  # ", 0) == 0;
    result += (is_comment && is_setting(line.substr(4)) ? "  " + line.substr(4) : line) + "\n";
  }
  return result;
}

TEST(Config, ShowsTheTrueDefaultsInTheCommentsOfTheDefaultFile) {
  const Config shown = good(uncommented(text_of(kFolder + "zipcd.yaml")));
  const Config config;
  EXPECT_EQ(shown.socket.path, config.socket.path);
  EXPECT_EQ(shown.socket.mode, config.socket.mode);
  EXPECT_EQ(shown.limits.channels, config.limits.channels);
  EXPECT_EQ(shown.limits.total_bytes, config.limits.total_bytes);
  EXPECT_EQ(shown.limits.bytes_per_channel, config.limits.bytes_per_channel);
  EXPECT_EQ(shown.limits.connections, config.limits.connections);
  EXPECT_EQ(shown.limits.connections_per_user, config.limits.connections_per_user);
  EXPECT_EQ(shown.limits.channels_per_user, config.limits.channels_per_user);
  EXPECT_EQ(shown.defaults.params, config.defaults.params);
  EXPECT_EQ(shown.defaults.linger, config.defaults.linger);
  EXPECT_EQ(shown.defaults.lease_ttl, config.defaults.lease_ttl);
  EXPECT_EQ(shown.defaults.waiting, config.defaults.waiting);
  EXPECT_EQ(shown.defaults.access.mode, config.defaults.access.mode);
  EXPECT_EQ(shown.dynamic.names, config.dynamic.names);
  EXPECT_EQ(shown.dynamic.access.mode, config.dynamic.access.mode);
  EXPECT_EQ(shown.channels.size(), 1u) << "the commented example is a channel";
}

// Files that are no files, and texts that are not YAML.

TEST(Config, SaysInTheSystemsWordsWhyAFileCannotBeRead) {
  for (const auto& [path, words] :
       {std::pair{"/nonexistent/f.yaml", "No such file or directory"}, {"/", "Is a directory"}}) {
    const ConfigResult result = load_config_file(path, ConfigSource::file);
    ASSERT_TRUE(std::holds_alternative<Mistakes>(result));
    EXPECT_EQ(listed(std::get<Mistakes>(result)), std::string(path) + ": cannot be read: " + words + "\n");
  }
}

TEST(Config, RefusesAPipeInsteadOfWaitingForItsOtherEnd) {
  const std::string path = testing::TempDir() + "zipc_config_test." + std::to_string(getpid());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  for (const ConfigSource source : {ConfigSource::file, ConfigSource::file_or_stream}) {
    const ConfigResult result = load_config_file(path, source);
    ASSERT_TRUE(std::holds_alternative<Mistakes>(result));
    EXPECT_EQ(listed(std::get<Mistakes>(result)), path + ": not a regular file; expected one\n");
  }
  unlink(path.c_str());
}

TEST(Config, ReadsAPipeThatIsHandedOverByItsDescriptor) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const std::string path = "/dev/fd/" + std::to_string(ends[0]);
  EXPECT_TRUE(std::holds_alternative<Mistakes>(load_config_file(path, ConfigSource::file)));
  std::thread writer([&ends] {
    EXPECT_EQ(write(ends[1], "limits: {channels: 7}", 21), 21);
    close(ends[1]);
  });
  const ConfigResult result = load_config_file(path, ConfigSource::file_or_stream);
  writer.join();
  close(ends[0]);
  ASSERT_TRUE(std::holds_alternative<Config>(result));
  EXPECT_EQ(std::get<Config>(result).limits.channels, 7u);
}

TEST(Config, RefusesAFileOfMoreThanAMebibyte) {
  const Mistakes mistakes = mistakes_in(std::string(kConfigBytesMax + 1, '#'));
  ASSERT_EQ(mistakes.size(), 1u);
  EXPECT_EQ(to_string(mistakes[0]), "f.yaml: larger than 1 MiB; expected a smaller file");
  EXPECT_TRUE(std::holds_alternative<Mistakes>(load_config_file("/dev/zero", ConfigSource::file_or_stream)));
  good(std::string(kConfigBytesMax, '#'));
}

TEST(Config, RefusesATopLevelThatIsNotAMapping) {
  expect_mistake("# c\n- a\n", "2:1", {"expected a mapping of keys, not a list"});
  expect_mistake("  words\n", "1:3", {"expected a mapping of keys, not \"words\""});
}

TEST(Config, RefusesASecondDocumentAndStillReadsTheFirst) {
  expect_mistake("socket:\n---\nlimits:\n", "2:1", {"second document", "expected one document"});
  const Mistakes mistakes = mistakes_in("sock:\n---\nlimits:\n");
  ASSERT_EQ(mistakes.size(), 2u);
  expect(mistakes[0], "1:1", {"unknown key \"sock\""});
}

TEST(Config, PointsAtSyntaxErrors) {
  expect_mistake("socket:\n  path: /a\n\tmode: 0600\n", "3:1", {"not valid YAML", "a tab in the indentation"});
  expect_mistake("socket:\n\tpath: /a\n", "2:6", {"not valid YAML", "a tab in the indentation"});
  expect_mistake("socket:\n    path: /a\n  mode: 0600\n", "3:3", {"check the indentation"});
  expect_mistake("socket:\n  path: /a: b\n", "2:11", {"':' cannot stand here"});
  expect_mistake("dynamic:\n  names: [/a, /b\n", "2:10", {"this '[' is not closed"});
  expect_mistake("dynamic: {allow: true\n", "1:10", {"this '{' is not closed"});
  expect_mistake("dynamic: {allow: true]\n", "1:22", {"bracket does not match"});
  expect_mistake("socket:\n  path: \"/a\n", "2:12", {"a quote is opened and not closed"});
  expect_mistake("socket:\n  path: @a\n", "2:9", {"put the text in quotes"});
  expect_mistake("socket:\n  path: *nowhere\n", "2:9", {"anchor is not defined"});
}

TEST(Config, RefusesControlCharactersAndOtherEncodings) {
  expect_mistake(std::string("socket:\n  path: /a\x04\nlimit: 1\n"), "2:11", {"control character", "UTF-8"});
  expect_mistake(std::string("\xFF\xFEs\0:\0", 6), "1:4", {"control character", "UTF-8"});
}

TEST(Config, EndsOnHostileTexts) {
  expect_mistake("a: " + repeated("[", 100'000), "1:20", {"nested too deeply"});
  expect_mistake(repeated("- ", 100'000), "1:65", {"nested too deeply"});
  expect_mistake("&a [*a]", "1:5", {"alias stands inside the value"});
  expect_mistake("channels: &a {<<: *a}", "1:19", {"alias stands inside the value"});
}

TEST(Config, StopsAnAliasThatUnfoldsIntoALargeTree) {
  std::string bomb = "a: &a [" + repeated("x,", 100) + "x]\n";
  for (char name = 'b'; name <= 'k'; ++name) {  // b: &b [*a,*a,...]
    const std::string alias{'*', static_cast<char>(name - 1), ','};
    bomb += std::string{name, ':', ' ', '&', name, ' ', '['} + repeated(alias, 100) + "x]\n";
  }
  const Mistakes mistakes = mistakes_in(bomb);
  ASSERT_EQ(mistakes.size(), 1u) << listed(mistakes);
  EXPECT_EQ(mistakes[0].line, 3);
  EXPECT_NE(mistakes[0].message.find("aliases up to here repeat too much"), std::string::npos);
}

TEST(Config, KeepsAThousandMistakesAtMostAndSaysSo) {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text.append("k").append(std::to_string(i)).append(": 1\n");
  const Mistakes mistakes = mistakes_in(text);
  ASSERT_EQ(mistakes.size(), 1000u);
  EXPECT_EQ(to_string(mistakes[998]).find("there may be more"), std::string::npos);
  EXPECT_NE(to_string(mistakes[999]).find(": there may be more mistakes: only 999 are listed"), std::string::npos);
}

// Keys.

TEST(Config, SuggestsTheNearestKeyForAnUnknownOne) {
  expect_mistake(
      "limit:\n", "1:1",
      {"unknown key \"limit\"; expected socket, limits, defaults, dynamic or channels", "did you mean \"limits\"?"});
  expect_mistake("socket:\n  pth: /a\n", "2:3", {"unknown key \"pth\" in socket", "did you mean \"path\"?"});
  expect_mistake("limits: {chanels: 1}", "1:10", {"in limits", "did you mean \"channels\"?"});
  expect_mistake("defaults: {queueSize: 8}", "1:12", {"in defaults", "did you mean \"queue_size\"?"});
  expect_mistake("defaults: {message-size: 8}", "1:12", {"did you mean \"message_size\"?"});
  expect_mistake("dynamic: {alow: true}", "1:11", {"in dynamic", "did you mean \"allow\"?"});
  expect_mistake("channels:\n  - name: /a\n    qeue_size: 8\n", "3:5", {"in channels", "did you mean \"queue_size\"?"});
}

TEST(Config, SuggestsNothingForAKeyThatIsNearToNone) {
  const Mistakes mistakes = mistakes_in("colour: red\n");
  ASSERT_EQ(mistakes.size(), 1u);
  EXPECT_EQ(to_string(mistakes[0]),
            "f.yaml:1:1: unknown key \"colour\"; expected socket, limits, defaults, dynamic or channels");
}

TEST(Config, RefusesKeysThatAreNotText) {
  expect_mistake("? [a]\n: b\n", "1:3", {"expected a key, not a list"});
  expect_mistake("socket: {~: b}\n", "1:10", {"expected a key in socket, not nothing"});
  expect_mistake("<<: 5\n", "1:5", {"<<", "expected a mapping or a list of mappings, not \"5\""});
}

TEST(Config, RefusesAKeyThatIsGivenTwice) {
  expect_mistake("socket:\nlimits:\nsocket:\n", "3:1", {"\"socket\" is given twice", "first on line 1"});
  expect_mistake("channels:\n  - name: /a\n    mode: 0600\n    mode: 0660\n", "4:5",
                 {"\"mode\" is given twice", "line 3"});
  expect_mistake("socket: {mode: 0600,\n  mode: 0600}\n", "2:3", {"\"mode\" is given twice", "line 1"});
}

TEST(Config, RefusesAValueOfTheWrongKind) {
  expect_mistake("socket: /run/z\n", "1:9", {"socket: expected a mapping of keys, not \"/run/z\""});
  expect_mistake("limits:\n  - 5\n", "2:3", {"limits: expected a mapping of keys, not a list"});
  expect_mistake("channels: {name: /a}\n", "1:11", {"channels: expected a list, not a mapping"});
  expect_mistake("channels: /a\n", "1:11", {"channels: expected a list, not \"/a\""});
  expect_mistake("channels:\n  - /a\n", "2:5", {"channels: expected a mapping of keys, not \"/a\""});
  expect_mistake("channels:\n  - name: /a\n  -\n", "1:1", {"channels: item 2 is empty"});
  expect_mistake("dynamic: {names: /a}\n", "1:18", {"names: expected a list, not \"/a\""});
  expect_mistake("socket: {path: [/a]}\n", "1:16", {"path: expected a single value, not a list"});
  expect_mistake("defaults: {queue_size: {}}\n", "1:24", {"queue_size: expected a single value, not a mapping"});
}

TEST(Config, PointsAtTheKeyWhenItsValueIsLeftOut) {
  expect_mistake("socket:\n  path:\n  mode: 0600\n", "2:3", {"path: expected", "not nothing"});
  expect_mistake("defaults:\n  queue_size: ~\n", "2:3", {"queue_size: expected", "not nothing"});
}

// Values.

TEST(Config, RefusesCountsThatAreOutOfRangeOrNotNumbers) {
  for (const char* value : {"0", "65537", "-1", "+5", "1.5", "1e3", "0x10", "many", "16KiB", "18446744073709551616"}) {
    const std::string text = "limits:\n  channels: " + std::string(value) + "\n";
    expect_mistake(text, "2:13",
                   {"channels: expected a whole number from 1 to 65536, not \"" + std::string(value) + "\""});
  }
  expect_mistake("limits: {connections: 0}", "1:23", {"connections: expected a whole number from 1"});
  expect_mistake("limits: {connections_per_user: 0}", "1:32", {"connections_per_user: expected a whole number from 1"});
  expect_mistake("limits: {channels_per_user: 0}", "1:29", {"channels_per_user: expected a whole number from 1"});
}

TEST(Config, RefusesQueueSizesOutsideTheRingsRange) {
  for (const char* value : {"0", "1", "16777217", "4294967298", "-8", "64KiB"}) {
    const std::string text = "defaults:\n  queue_size: " + std::string(value) + "\n";
    expect_mistake(text, "2:15", {"queue_size: expected a whole number from 2 to 16777216, not"});
  }
}

TEST(Config, RefusesMessageSizesOutsideTheRingsRange) {
  for (const char* value : {"0", "3GiB", "2147483649", "4294967297", "-8", "99999999999GiB"}) {
    const std::string text = "channels:\n  - name: /a\n    message_size: " + std::string(value) + "\n";
    expect_mistake(text, "3:19",
                   {"message_size: expected a size from 1B to 2GiB", "not \"" + std::string(value) + "\""});
  }
}

TEST(Config, RefusesSizesInOtherUnitsAndSaysWhichToWrite) {
  const std::pair<const char*, const char*> units[] = {{"64KB", "64KiB"},  {"64 kb", "64KiB"}, {"64k", "64KiB"},
                                                       {"64MB", "64MiB"},  {"64M", "64MiB"},   {"1GB", "1GiB"},
                                                       {"64kib", "64KiB"}, {"64b", "64B"}};
  for (const auto& [wrong, right] : units) {
    const std::string text = "limits:\n  total_size: " + std::string(wrong) + "\n";
    expect_mistake(
        text, "2:15",
        {"total_size: expected a size", "not \"" + std::string(wrong) + "\"", "; write " + std::string(right)});
  }
  expect_mistake("limits: {channel_size: lots}", "1:24", {"channel_size: expected a size", "not \"lots\""});
  expect_mistake("limits: {channel_size: 1.5GiB}", "1:24", {"channel_size: expected a size"});
  expect_mistake("limits: {channel_size: 4095}", "1:24", {"expected a size from 4KiB to 1048576GiB"});
  expect_mistake("limits: {total_size: 1048577GiB}", "1:22", {"expected a size from 4KiB to 1048576GiB"});
}

TEST(Config, RefusesDurationsWithoutAUnitAndSaysWhichToWrite) {
  expect_mistake("defaults:\n  linger: 10\n", "2:11", {"linger: expected a duration", "give a unit: 10s or 10ms"});
  expect_mistake("dynamic: {linger: 5m}", "1:19", {"not \"5m\"; write 5min"});
  expect_mistake("dynamic: {linger: 5 seconds}", "1:19", {"; write 5s"});
  expect_mistake("dynamic: {linger: 5 hours}", "1:19", {"; write 5h"});
  expect_mistake("dynamic: {linger: -1s}", "1:19", {"linger: expected a duration", "not \"-1s\""});
  expect_mistake("dynamic: {linger: 1.5s}", "1:19", {"linger: expected a duration"});
  expect_mistake("dynamic: {linger: never}", "1:19", {"or forever, not \"never\""});
  expect_mistake("dynamic: {linger: 1001h}", "1:19", {"at most 1000h"});
  expect_mistake("dynamic: {linger: 18446744073709551615h}", "1:19", {"at most 1000h"});
}

TEST(Config, RefusesTimesToLiveOfLeasesThatAreTooShortOrTooLong) {
  const auto refused = [](const std::string& value, const std::string& hint) {
    expect_mistake("channels:\n  - name: /a\n    lease_ttl: " + value + "\n", "3:16",
                   {"lease_ttl: expected a duration from 100ms to 1000h, such as 30s or 5min, or forever, not \"" +
                    value + "\"" + hint});
  };
  for (const char* value : {"99ms", "1001h", "-1s", "1.5s", "18446744073709551615h", "soon"}) refused(value, "");
  for (const char* value : {"0", "0s", "none", "never"}) refused(value, "; write forever");
  refused("30", "; give a unit: 30s or 30ms");
  refused("5m", "; write 5min");
  expect_mistake("dynamic: {lease_tll: 5s}", "1:11", {"in dynamic", "did you mean \"lease_ttl\"?"});
  expect_mistake("defaults: {lease_ttl: }", "1:12", {"lease_ttl: expected a duration", "not nothing"});
}

TEST(Config, RefusesWaysToWaitThatThereAreNotAndSaysWhichIsMeant) {
  const auto refused = [](const std::string& value, const std::string& hint) {
    expect_mistake("channels:\n  - name: /a\n    waiting: " + value + "\n", "3:14",
                   {"waiting: expected adaptive, spin, sleep or poll, not \"" + value + "\"" + hint});
  };
  refused("slep", "; did you mean \"sleep\"?");
  refused("Poll", "; did you mean \"poll\"?");
  refused("busy", "");
  expect_mistake("defaults: {waiting: }", "1:12", {"waiting: expected adaptive, spin, sleep or poll, not nothing"});
  expect_mistake("dynamic: {wating: spin}", "1:11", {"in dynamic", "did you mean \"waiting\"?"});
}

TEST(Config, RefusesModesThatAreNotOctalPermissions) {
  for (const char* value : {"0888", "01777", "rw-rw----", "-1", "0x1b0", "777777777777777777777777"}) {
    const std::string text = "socket:\n  mode: " + std::string(value) + "\n";
    expect_mistake(text, "2:9", {"mode: expected an octal permission from 0000 to 0777, such as 0660, not"});
  }
}

TEST(Config, RefusesFlagsOtherThanTrueAndFalse) {
  for (const char* value : {"yes", "True", "1", "maybe"}) {
    expect_mistake("dynamic: {allow: " + std::string(value) + "}", "1:18", {"allow: expected true or false, not"});
  }
}

TEST(Config, RefusesSocketPathsThatCannotBeUsed) {
  expect_mistake("socket: {path: run/z}", "1:16", {"path: expected an absolute path", "not \"run/z\""});
  expect_mistake("socket: {path: /}", "1:16", {"path: expected an absolute path"});
  expect_mistake("socket: {path: /" + repeated("a", 108) + "}", "1:16",
                 {"path: expected an absolute path", "aaa...\""});
  expect_mistake("socket: {path: \"/a\\0b\"}", "1:16", {"path: expected an absolute path", "\"/a?b\""});
}

TEST(Config, RefusesUsersAndGroupsThatDoNotExistHere) {
  expect_mistake("defaults: {owner: no-such-user}", "1:19",
                 {"owner: expected a user of this machine, or a number, not"});
  expect_mistake("socket: {group: no-such-group}", "1:17",
                 {"group: expected a group of this machine, or a number, not"});
  expect_mistake("channels: [{name: /a, owner: 4294967295}]", "1:30", {"owner: expected a user"});
  expect_mistake("channels: [{name: /a, group: -1}]", "1:30", {"group: expected a group"});
  good("channels: [{name: /a, owner: 4294967294, group: " + std::string(::getgrgid(0)->gr_name) + "}]");
}

TEST(Config, RefusesPatternsThatCanMatchNoName) {
  expect_mistake("dynamic:\n  names:\n    - /a\n    - b*\n", "4:7",
                 {"names: expected a pattern", "\"b*\"; it must start with '/'"});
  expect_mistake("dynamic: {names: ['/a/b']}", "1:19", {"a second '/' never matches"});
  expect_mistake("dynamic: {names: ['/[a-z']}", "1:19", {"a '[' is not closed"});
  expect_mistake("dynamic: {names: ['/[]']}", "1:19", {"a '[' is not closed"});
  expect_mistake("dynamic: {names: ['/a\\']}", "1:19", {"nothing follows the '\\'"});
  expect_mistake("dynamic: {names: ['/a b']}", "1:19", {"printable ASCII"});
  expect_mistake("dynamic: {names: ['']}", "1:19", {"not nothing"});
  expect_mistake("dynamic: {names: ['/" + repeated("a", 255) + "']}", "1:19", {"longer than 255 bytes"});
  expect_mistake("dynamic: {names: [/a, ~]}", "1:11", {"names: item 2 is empty"});
  good("dynamic: {names: ['/[]a]', '/[!]]', '/\\[']}");
}

// Channels.

TEST(Config, RefusesChannelNamesThatBreakTheNamingRule) {
  expect_mistake("channels:\n  - name: a\n", "2:11", {"name: ", "must start with '/'"});
  for (const char* name : {"/", "/a/b", "'/a b'", "/é", "/..", "/0123456789012345678901234567890123456789"}) {
    expect_mistake("channels:\n  - mode: 0600\n    name: " + std::string(name) + "\n", "3:11", {"name: "});
  }
}

TEST(Config, RefusesAChannelWithoutAName) {
  expect_mistake("channels:\n  - queue_size: 8\n", "2:5", {"a channel without a name; expected name: /something"});
  expect_mistake("channels: [{}]\n", "1:12", {"a channel without a name"});
  expect_mistake("channels:\n  - name:\n", "2:5", {"name: "});
}

TEST(Config, RefusesAChannelNameThatIsUsedTwice) {
  expect_mistake("channels:\n  - name: /a\n  - name: /b\n  - name: /a\n", "4:11",
                 {"name: the channel \"/a\" exists already, on line 2"});
  expect_mistake("channels:\n  - &a {name: /a}\n  - *a\n", "3:5", {"exists already, on line 2"});
  expect_mistake("channels:\n  - &a {name: /a}\n  - {<<: *a}\n", "3:5", {"exists already, on line 2"});
}

TEST(Config, RefusesMoreChannelsThanTheLimit) {
  expect_mistake("channels:\n  - name: /a\n  - name: /b\n  - name: /c\n  - name: /d\nlimits: {channels: 2}\n", "4:5",
                 {"the file has 4 channels; limits.channels allows 2"});
}

TEST(Config, RefusesAChannelLargerThanTheLimit) {
  expect_mistake("limits: {channel_size: 64KiB}\nchannels:\n  - {name: /a, message_size: 1}\n  - {name: /b}\n", "4:5",
                 {"the channel takes 262920 bytes; limits.channel_size allows 65536 bytes"});
  expect_mistake("channels: [{name: /a, queue_size: 16777216, message_size: 2GiB}]", "1:12", {"limits.channel_size"});
}

TEST(Config, RefusesChannelsThatTogetherExceedTheTotal) {
  expect_mistake("limits: {total_size: 512KiB}\nchannels: [{name: /a},\n  {name: /b},\n  {name: /c}]\n", "3:3",
                 {"the channel takes 262920 bytes; the channels before it leave 261368 bytes of limits.total_size"});
}

TEST(Config, DoesNotJudgeSizesByALimitThatWasRefused) {
  expect_mistake("limits: {channel_size: 1GB}\nchannels: [{name: /a, message_size: 8MiB}]\n", "1:24", {"write 1GiB"});
  expect_mistake("limits: {channels: none}\nchannels: [{name: /a}]\n", "1:20", {"channels: expected"});
  expect_mistake("defaults: {message_size: 1XB}\nlimits: {channel_size: 4KiB}\nchannels: [{name: /a}]\n", "1:26",
                 {"message_size: expected"});
}

// All of it together.

TEST(Config, ReportsEverythingThatIsWrongInTheOrderOfTheFile) {
  const Mistakes mistakes = mistakes_in(R"(channels:
  - name: /a
    mode: 0999
    linger: 5
  - name: /a
    queue_sise: 9
  - queue_size: 1
dynamic: {allow: perhaps}
limits:
  channels: 2
  channels: 3
sockets:
)");
  const std::pair<const char*, const char*> expected[] = {
      {"3:11", "mode"},           {"4:13", "linger"},
      {"5:11", "exists already"}, {"6:5", "queue_sise"},
      {"7:5", "without a name"},  {"7:5", "the file has 3 channels"},
      {"7:17", "queue_size"},     {"8:18", "allow"},
      {"11:3", "given twice"},    {"12:1", "did you mean \"socket\"?"}};
  ASSERT_EQ(mistakes.size(), std::size(expected)) << listed(mistakes);
  for (std::size_t i = 0; i < mistakes.size(); ++i) expect(mistakes[i], expected[i].first, {expected[i].second});
}

TEST(Config, ReportsAMistakeBehindAnAliasOnce) {
  expect_mistake("channels:\n  - &c {name: /a, mode: 9}\n  - {<<: *c, name: /b}\n", "2:25", {"mode: expected"});
}

TEST(Config, QuotesWhatItFoundHarmlesslyAndBriefly) {
  expect_mistake("\"\\e[31m\": 1\n", "1:1", {"unknown key \"?[31m\""});
  expect_mistake(repeated("k", 500) + ": 1\n", "1:1", {"kkk...\""});
  expect_mistake("socket: {path: " + repeated("é", 100) + "}\n", "1:16", {"éé...\""});
}

// The schema for editors.

using Keys = std::set<std::string>;

/// The keys that the parser knows in a mapping, as it lists them when it refuses one. `text` gives it the key "?".
Keys parser_keys(const std::string& text) {
  Keys keys;
  for (const Diagnostic& mistake : mistakes_in(text)) {
    const std::size_t start = mistake.message.find("; expected ");
    if (mistake.message.rfind("unknown key \"%\"", 0) != 0 || start == std::string::npos) continue;
    std::istringstream words(mistake.message.substr(start + 11));
    for (std::string word; words >> word;) {
      if (word.back() == ',') word.pop_back();
      if (word != "or") keys.insert(word);
    }
  }
  return keys;
}

/// The node at `path` below `node`; JSON is YAML.
const Node* at(const Node* node, std::initializer_list<const char*> path) {
  for (const char* key : path) {
    const Entry* entry = node == nullptr || node->kind != Node::Kind::mapping ? nullptr : find(*node, key);
    node = entry == nullptr ? nullptr : &entry->value;
  }
  return node;
}

Keys keys_of(const Node* properties) {
  Keys keys;
  if (properties == nullptr) return keys;
  for (const Entry& entry : *properties->entries) keys.insert(entry.key.text);
  return keys;
}

TEST(ConfigSchema, KnowsTheSameKeysAsTheParser) {
  Diagnostics diagnostics("schema");
  const auto schema = read_document(text_of(kFolder + "zipcd.schema.json"), diagnostics);
  ASSERT_TRUE(schema && diagnostics.empty()) << listed(diagnostics.list());
  const Node* top = at(&*schema, {"properties"});
  EXPECT_EQ(keys_of(top), parser_keys("\"%\": 1"));
  for (const char* section : {"socket", "limits", "defaults", "dynamic"}) {
    const Keys known = parser_keys(std::string(section) + ": {\"%\": 1}");
    EXPECT_FALSE(known.empty()) << section;
    EXPECT_EQ(keys_of(at(top, {section, "properties"})), known) << section;
  }
  const Keys known = parser_keys("channels: [{name: /a, \"%\": 1}]");
  EXPECT_EQ(keys_of(at(top, {"channels", "items", "properties"})), known);
}

TEST(ConfigSchema, DescribesEveryKey) {
  Diagnostics diagnostics("schema");
  const auto schema = read_document(text_of(kFolder + "zipcd.schema.json"), diagnostics);
  ASSERT_TRUE(schema);
  std::vector<const Node*> properties{at(&*schema, {"properties"}),
                                      at(&*schema, {"properties", "channels", "items", "properties"})};
  for (const char* section : {"socket", "limits", "defaults", "dynamic"}) {
    properties.push_back(at(&*schema, {"properties", section, "properties"}));
  }
  for (const Node* mapping : properties) {
    ASSERT_NE(mapping, nullptr);
    for (const Entry& entry : *mapping->entries)
      EXPECT_NE(at(&entry.value, {"description"}), nullptr) << entry.key.text;
  }
}

}  // namespace
}  // namespace zipc
