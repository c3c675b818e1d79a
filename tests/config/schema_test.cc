#include "config/schema.h"

#include <gtest/gtest.h>

#include <set>

#include "config_fixture.h"

namespace understudy::config {
namespace {

bool in_milliseconds(const Option& option) {
  return option.type == ValueType::timeout || option.type == ValueType::period;
}

TEST(Schema, EveryOptionIsWholeAndUnique) {
  std::set<std::string> paths;
  for (const auto& part : schema()) {
    EXPECT_FALSE(part.help.empty()) << part.key;
    EXPECT_EQ(&section(part.key), &part);
    for (const auto group : {part.options, part.policy}) {
      for (const auto& option : group) {
        const auto path = part.path_of(option);
        EXPECT_TRUE(paths.insert(path).second) << path;
        EXPECT_EQ(part.find(option.key), &option) << path;
        EXPECT_TRUE(option.help.ends_with('.')) << path;
        EXPECT_NE(option.binding.store, nullptr) << path;
        const bool timed_choice = option.type == ValueType::timed_choice;
        EXPECT_EQ(option.type == ValueType::choice || timed_choice, !option.choices.empty()) << path;
        const bool bounded = option.type == ValueType::number || option.type == ValueType::size ||
                             in_milliseconds(option) || timed_choice;
        EXPECT_EQ(bounded, option.max != 0) << path;
        EXPECT_FALSE(expectation(option).empty()) << path;
      }
    }
    EXPECT_EQ(part.find("no-such-key"), nullptr);
  }
}

TEST(Schema, DefaultsAreWithinTheirBounds) {
  for (const auto& part : schema()) {
    for (const auto& option : part.options) {
      if (option.max == 0 || option.type == ValueType::timed_choice) continue;
      const auto value = std::get<std::uint64_t>(option.binding.load(part.defaults));
      EXPECT_TRUE((value >= option.min && value <= option.max) || value == option.word_value) << part.path_of(option);
    }
    for (const auto& option : part.policy) {
      if (option.max == 0 || option.type == ValueType::timed_choice) continue;
      const auto value = std::get<std::uint64_t>(option.binding.load(&default_policy()));
      EXPECT_TRUE((value >= option.min && value <= option.max) || value == option.word_value) << part.path_of(option);
    }
  }
}

/// The text of a value that is not the default and that the option accepts.
std::string another_value(const Option& option, const OptionValue& value) {
  switch (option.type) {
    case ValueType::text:
      return "someone";
    case ValueType::path:
      return "/somewhere/else";
    case ValueType::period:
      return "1h";
    case ValueType::boolean:
      return std::get<bool>(value) ? "false" : "true";
    case ValueType::prefixes:
      return "[192.0.2.0/24]";
    case ValueType::interfaces:
      return "[eth0, eth1.5]";
    case ValueType::endpoints:
      return "[127.0.0.9@5353]";
    case ValueType::choice:
      return std::string(option.choices[std::get<std::uint64_t>(value) == 0 ? 1 : 0]);
    case ValueType::timed_choice:
      return std::string(option.choices.back()) + " 3h";
    case ValueType::name:
      return "catalog.example.";
    default:
      return value_text(option, std::get<std::uint64_t>(value) == option.max ? option.min : option.max);
  }
}

TEST(Schema, EveryOptionOfAMappingIsReadAndShown) {
  for (const auto& part : schema()) {
    if (part.is_list()) continue;
    for (const auto& option : part.options) {
      const auto text = another_value(option, option.binding.load(part.defaults));
      const auto config = parsed(std::string(part.key) + ":\n  " + std::string(option.key) + ": " + text + "\n");
      const void* object = part.key == "server"    ? static_cast<const void*>(&config->server)
                           : part.key == "storage" ? static_cast<const void*>(&config->storage)
                           : part.key == "control" ? static_cast<const void*>(&config->control)
                           : part.key == "http"    ? static_cast<const void*>(&config->http)
                                                   : static_cast<const void*>(&config->transfer);
      EXPECT_EQ(value_text(option, option.binding.load(object)), text) << part.path_of(option);
    }
  }
}

TEST(Schema, EverySettingOfAPolicyIsReadInTemplatesAndZones) {
  const std::string head = "keys: [{name: k., secret: MDEyMzQ1Njc4OWFiY2RlZg==}]\n";
  for (const auto& option : section("zones").policy) {
    std::string text;
    switch (option.type) {
      case ValueType::peers:
        text = "[192.0.2.7@53]";
        break;
      case ValueType::access_rules:
        text = "[192.0.2.0/24 key k.]";
        break;
      default:
        text = another_value(option, option.binding.load(&default_policy()));
        break;
    }
    const auto setting = std::string(option.key) + ": '" + text + "'";
    const auto line = text.front() == '[' ? std::string(option.key) + ": " + text : setting;
    const std::string other = option.key == "catalog-produce" ? ", catalog.example." : "";
    const auto in_template =
        parsed(head + "templates: [{name: default, " + line + "}]\nzones: [{name: a., file: f}" + other + "]\n");
    EXPECT_EQ(value_text(option, option.binding.load(in_template->templates.at("default").get())), text) << option.key;
    const bool peers = option.key == "primaries";
    const auto in_zone = parsed(head + "zones: [{name: a., " + (peers ? "" : "file: f, ") + line + "}" + other + "]\n");
    EXPECT_EQ(value_text(option, option.binding.load(in_zone->zones.at(0).policy.get())), text) << option.key;
  }
}

TEST(Schema, AlgorithmsAreThoseOfTsig) {
  const auto* algorithm = section("keys").find("algorithm");
  ASSERT_EQ(algorithm->choices.size(), 6U);
  for (std::size_t i = 0; i < algorithm->choices.size(); ++i) {
    EXPECT_EQ(algorithm->choices[i], tsig_algorithm_text(static_cast<TsigAlgorithm>(i)));
  }
}

TEST(Schema, ValuesAsText) {
  const auto text = [](std::string_view part, std::string_view key, OptionValue value) {
    return value_text(*section(part).find(key), value);
  };
  EXPECT_EQ(text("server", "workers", std::uint64_t{0}), "auto");
  EXPECT_EQ(text("server", "workers", std::uint64_t{3}), "3");
  EXPECT_EQ(text("server", "log-level", std::uint64_t{2}), "warning");
  EXPECT_EQ(text("transfer", "max-size", std::uint64_t{1} << 20), "1MiB");
  EXPECT_EQ(text("transfer", "min-rate", std::uint64_t{0}), "off");
  EXPECT_EQ(text("transfer", "stall-timeout", std::uint64_t{1'500}), "1500ms");
  EXPECT_EQ(text("keys", "secret", Bytes{1, 2, 3}), "(secret)");
  EXPECT_EQ(text("server", "user", std::string()), "");
  EXPECT_EQ(text("zones", "serial-backwards", TimedValue{0, 0}), "ignore");
  EXPECT_EQ(text("zones", "serial-backwards", TimedValue{2, 7'200'000}), "accept-after 2h");
  EXPECT_EQ(text("zones", "catalog-produce", {}), "");
  EXPECT_EQ(text("primaries", "source", std::vector<IpAddress>{*IpAddress::parse("::1")}), "[::1]");
  EXPECT_EQ(text("catalogs", "groups", GroupMap{{"b", "y"}, {"a", "x"}}), "{a: x, b: y}");
}

TEST(Schema, Expectations) {
  const auto text = [](std::string_view part, std::string_view key) { return expectation(*section(part).find(key)); };
  EXPECT_EQ(text("server", "workers"), "auto or a number from 1 to 1024");
  EXPECT_EQ(text("server", "log-level"), "one of debug, info, warning, error");
  EXPECT_EQ(text("http", "zone-metrics"), "true or false");
  EXPECT_EQ(text("zones", "on-expire"),
            "one of servfail, serve, serve-for TIME, where TIME is whole seconds from 1s to 4294967295s, such as 30m, "
            "1h or 2d");
  EXPECT_EQ(text("zones", "catalog-produce"), "none or a domain name");
  EXPECT_EQ(text("transfer", "max-size"), "a size from 1KiB to 16TiB, such as 4096, 64KiB or 2GiB");
  EXPECT_EQ(text("transfer", "stall-timeout"), "a time from 100ms to 1h, such as 500ms, 10s or 2m");
  EXPECT_EQ(text("zones", "expire-max"),
            "none or a time in whole seconds from 1s to 4294967295s, such as 30s, 5m, 1h or 2d");
}

}  // namespace
}  // namespace understudy::config
