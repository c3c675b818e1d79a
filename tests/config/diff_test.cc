#include "config/diff.h"

#include <gmock/gmock.h>

#include "config/schema.h"
#include "config_fixture.h"

namespace understudy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view base = R"(
keys:
  - {name: k., secret: MDEyMzQ1Njc4OWFiY2RlZg==}
primaries:
  - {name: p1, address: 192.0.2.1, key: k.}
  - {name: p2, address: 192.0.2.2}
templates:
  - {name: default, primaries: [p1]}
  - {name: other, primaries: [p2]}
zones:
  - a.
  - {name: b., template: other}
  - {name: c., file: c}
)";

/// `base` with one piece replaced.
std::string changed(std::string_view from, std::string_view to) {
  std::string text(base);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

ConfigDiff diff(std::string_view before, std::string_view after) {
  return diff_configs(parsed(before), parsed(after));
}

TEST(Diff, SameTextIsNoDifference) {
  const auto same = diff(base, base);
  EXPECT_TRUE(same.empty());
  EXPECT_FALSE(same.needs_restart());
  EXPECT_THAT(same.lines(), IsEmpty());
}

TEST(Diff, OtherWordsForTheSameAreNoDifference) {
  EXPECT_TRUE(diff("transfer: {stall-timeout: 60}", "transfer: {stall-timeout: 1m}").empty());
  EXPECT_TRUE(diff("{}", "server: {workers: auto, listen: [0.0.0.0@53, '::@53']}").empty());
  EXPECT_TRUE(diff(base, changed("  - a.\n", "  - {name: A, template: default}\n")).empty());
  EXPECT_TRUE(diff(base, changed("  - a.\n", "  - {name: a., primaries: [p1]}\n")).empty());
}

TEST(Diff, OptionsThatAReloadApplies) {
  const auto options = diff("server: {log-level: info}", "server: {log-level: debug}\ntransfer: {min-rate: off}");
  EXPECT_FALSE(options.empty());
  EXPECT_FALSE(options.needs_restart());
  EXPECT_THAT(options.lines(), ElementsAre("server.log-level: info -> debug", "transfer.min-rate: 512 -> off"));
}

TEST(Diff, OptionsThatNeedARestart) {
  const auto options = diff("{}", "server: {user: us, workers: 2, listen: [127.0.0.1@53]}\nstorage: {directory: db}");
  EXPECT_TRUE(options.needs_restart());
  EXPECT_THAT(options.lines(),
              ElementsAre("server.listen: [0.0.0.0@53, ::@53] -> [127.0.0.1@53] (needs a restart)",
                          "server.workers: auto -> 2 (needs a restart)", "server.user: not set -> us (needs a restart)",
                          "storage.directory: /var/lib/understudy -> /etc/us/db (needs a restart)"));
}

TEST(Diff, EveryOptionCounts) {
  const Config before;
  for (const auto* key : {"server", "storage", "control", "http", "transfer"}) {
    for (const auto& option : config::section(key).options) {
      auto after = std::make_shared<Config>();
      void* object = std::string_view(key) == "server"    ? static_cast<void*>(&after->server)
                     : std::string_view(key) == "storage" ? static_cast<void*>(&after->storage)
                     : std::string_view(key) == "control" ? static_cast<void*>(&after->control)
                     : std::string_view(key) == "http"    ? static_cast<void*>(&after->http)
                                                          : static_cast<void*>(&after->transfer);
      auto value = option.binding.load(object);
      if (auto* number = std::get_if<std::uint64_t>(&value)) {
        *number = *number == option.min ? option.min + 1 : option.min;
      } else if (auto* flag = std::get_if<bool>(&value)) {
        *flag = !*flag;
      } else if (auto* text = std::get_if<std::string>(&value)) {
        *text += "x";
      } else if (auto* prefixes = std::get_if<std::vector<Prefix>>(&value)) {
        prefixes->push_back(*Prefix::parse("192.0.2.0/24"));
      } else if (auto* names = std::get_if<std::vector<std::string>>(&value)) {
        names->push_back("eth0");
      } else if (option.type == config::ValueType::name) {
        value = name_of("agent.example.");
      } else {
        std::get<std::vector<Endpoint>>(value).push_back(*Endpoint::parse("192.0.2.1@1"));
      }
      option.binding.store(object, std::move(value));
      const auto found = diff_configs(std::make_shared<const Config>(before), after);
      ASSERT_EQ(found.options.size(), 1U) << key << '.' << option.key;
      EXPECT_EQ(found.options[0].needs_restart, !option.reloadable);
    }
  }
}

TEST(Diff, OtherSecretsInTheSameFileAreAChange) {
  auto before = std::make_shared<Config>(), after = std::make_shared<Config>();
  before->server.cookie_secrets = {Bytes(16, 1)};
  after->server.cookie_secrets = {Bytes(16, 2)};
  EXPECT_THAT(diff_configs(before, after).lines(),
              ElementsAre("server.cookie-secret-file: the secrets in it -> others"));
}

TEST(Diff, ZonesAddedRemovedAndMoved) {
  const auto zones =
      diff(base, changed("  - a.\n  - {name: b., template: other}\n", "  - {name: d., file: d}\n  - b.\n"));
  ASSERT_EQ(zones.zones_added.size(), 1U);
  EXPECT_EQ(zones.zones_added[0], zones.after->find_zone(name_of("d.")));
  ASSERT_EQ(zones.zones_removed.size(), 1U);
  EXPECT_EQ(zones.zones_removed[0], zones.before->find_zone(name_of("a.")));
  ASSERT_EQ(zones.zones_changed.size(), 1U);
  EXPECT_TRUE(zones.zones_changed[0].primaries_changed);
  EXPECT_FALSE(zones.zones_changed[0].other_changed);
  EXPECT_THAT(zones.lines(),
              ElementsAre("zone d. is added", "zone a. is removed", "zone b. is changed: other primaries"));
}

TEST(Diff, ZonesFromOrToAFile) {
  EXPECT_THAT(diff(base, changed("file: c}", "file: d}")).lines(), ElementsAre("zone c. is changed: another file"));
  EXPECT_THAT(diff(base, changed("file: c}", "primaries: [p1]}")).lines(),
              ElementsAre("zone c. is changed: from primaries instead of a file"));
  EXPECT_THAT(diff(base, changed("  - a.\n", "  - {name: a., file: a, max-records: 9}\n")).lines(),
              ElementsAre("zone a. is changed: from a file instead of primaries, max-records 50000000 -> 9"));
}

TEST(Diff, ATemplateChangesItsZones) {
  const auto found = diff(base, changed("default, primaries: [p1]", "default, primaries: [p1], notify: [p2]"));
  EXPECT_THAT(found.lines(), ElementsAre("template default is changed", "zone a. is changed: notify [] -> [p2]",
                                         "zone c. is changed: notify [] -> [p2]"));
}

TEST(Diff, AKeysSecretChangesPrimaryTemplateAndZones) {
  const auto found = diff(base, changed("MDEyMzQ1Njc4OWFiY2RlZg==", "MTEyMzQ1Njc4OWFiY2RlZg=="));
  EXPECT_THAT(found.lines(), ElementsAre("key k. is changed", "primary p1 is changed", "template default is changed",
                                         "zone a. is changed: other primaries"));
  for (const auto& line : found.lines()) EXPECT_EQ(line.find("MTEy"), std::string::npos);
}

TEST(Diff, NamesAddedAndRemoved) {
  const auto found =
      diff("keys: [{name: a., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\nprimaries: [{name: x, address: 192.0.2.1}]",
           "keys: [{name: b., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\ntemplates: [{name: t}]");
  EXPECT_THAT(found.lines(),
              ElementsAre("key b. is added", "key a. is removed", "primary x is removed", "template t is added"));
}

TEST(Diff, ATransferLimitReachesTheZonesThatTakeIt) {
  const auto found = diff(base, changed("zones:\n", "transfer: {max-size: 1GiB}\nzones:\n"));
  EXPECT_THAT(found.lines(),
              ElementsAre("transfer.max-size: 8GiB -> 1GiB", "template default is changed", "template other is changed",
                          "zone a. is changed: max-size 8GiB -> 1GiB", "zone b. is changed: max-size 8GiB -> 1GiB",
                          "zone c. is changed: max-size 8GiB -> 1GiB"));
}

TEST(Diff, LinesAreLimited) {
  std::string zones = "zones:\n";
  for (int i = 0; i < 50; ++i) zones += "  - {name: z" + std::to_string(i) + ", file: z}\n";
  const auto found = diff("{}", zones);
  EXPECT_EQ(found.zones_added.size(), 50U);
  EXPECT_EQ(found.lines(10).size(), 11U);
  EXPECT_EQ(found.lines(10).back(), "and 40 more");
  EXPECT_EQ(found.lines(50).size(), 50U);
}

}  // namespace
}  // namespace understudy
