// The committed documents are those that the schema gives. UNDERSTUDY_WRITE_REFERENCE=1 writes them anew.
#include "config/reference.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/schema.h"
#include "config_fixture.h"

namespace understudy {
namespace {

void expect_current(const std::string& name, const std::string& text) {
  const auto path = std::string(TEST_DATA_DIR) + "/../doc/manual/" + name;
  if (std::getenv("UNDERSTUDY_WRITE_REFERENCE") != nullptr) std::ofstream(path) << text;
  std::ostringstream committed;
  committed << std::ifstream(path).rdbuf();
  EXPECT_EQ(committed.str(), text) << name << " is stale: run UNDERSTUDY_WRITE_REFERENCE=1 test_config";
}

TEST(Reference, ManualIsCurrent) {
  expect_current("reference.md", reference_manual());
}

TEST(Reference, JsonSchemaIsCurrent) {
  expect_current("understudy.schema.json", configuration_json_schema());
}

TEST(Reference, BothNameEveryOption) {
  const auto manual = reference_manual();
  const auto schema = nlohmann::json::parse(configuration_json_schema());
  for (const auto& part : config::schema()) {
    EXPECT_NE(manual.find("\n## " + std::string(part.key) + "\n"), std::string::npos) << part.key;
    nlohmann::json json = schema["properties"][std::string(part.key)];
    if (part.is_list()) json = json["items"];
    if (part.key == "zones") json = json["anyOf"][1];
    for (const auto group : {part.options, part.policy}) {
      for (const auto& option : group) {
        EXPECT_NE(manual.find("| `" + std::string(option.key) + "` | "), std::string::npos) << option.key;
        EXPECT_EQ(json["properties"][std::string(option.key)]["description"], option.help) << option.key;
      }
    }
    EXPECT_EQ(json["properties"].size(), part.options.size() + part.policy.size()) << part.key;
  }
}

TEST(Reference, ConfigurationsInTheManualAreAccepted) {
  std::ostringstream text;
  text << std::ifstream(std::string(TEST_DATA_DIR) + "/../doc/manual/configuration.md").rdbuf();
  const auto page = text.str();
  unsigned blocks = 0;
  const std::string_view opening = "```yaml\n";
  for (auto at = page.find(opening); at != std::string::npos; at = page.find(opening, at + 1)) {
    const auto start = at + opening.size();
    const auto block = page.substr(start, page.find("```", start) - start);
    EXPECT_EQ(mistakes(block), "") << block;
    ++blocks;
  }
  EXPECT_GE(blocks, 3U);
}

TEST(Reference, ExampleConfigurationsAreAccepted) {
  unsigned files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(TEST_DATA_DIR) + "/../examples")) {
    if (entry.path().extension() != ".yaml") continue;
    const auto loaded = load_config(entry.path().string());
    EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
    ++files;
  }
  EXPECT_GE(files, 6U);
}

TEST(Reference, ExamplesOfEntriesAreAccepted) {
  std::string text;
  for (const auto& part : config::schema()) {
    if (part.is_list()) text += std::string(part.key) + ":\n  - " + std::string(part.example) + "\n";
  }
  EXPECT_EQ(parsed(text)->zones.size(), 2U) << "a zone and a catalog";
}

}  // namespace
}  // namespace understudy
