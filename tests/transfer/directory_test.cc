#include "transfer/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using DirectoryTest = EngineTest;

TEST_F(DirectoryTest, FindsByNameWithoutCaseAndListsInCanonicalOrder) {
  ScriptedPrimary primary;
  std::vector<ZoneSettings> zones;
  for (const char* name : {"z.example.", "example.", "a.example.", "yljkjljk.a.example.", "b.test."}) {
    zones.push_back(zone(name, {peer(primary)}));
  }
  zones.push_back(zone("EXAMPLE.", {peer(primary)}));
  start();
  set_zones(zones);
  std::vector<std::string> names;
  for (const ZoneStatus& each : engine_->list(std::nullopt, 100)) names.push_back(each.name.text());
  EXPECT_EQ(names.size(), 5U) << "each name once";
  // RFC 4034 section 6.1: a name before those below it, and by labels from the right.
  EXPECT_EQ(names[1], "a.example.");
  EXPECT_EQ(names[2], "yljkjljk.a.example.");
  EXPECT_EQ(names[3], "z.example.");
  EXPECT_EQ(names[4], "b.test.");
  EXPECT_TRUE(engine_->status(*Name::parse("Z.Example.")));
  EXPECT_FALSE(engine_->status(*Name::parse("y.example.")));
  EXPECT_EQ(engine_->list(*Name::parse("b.example."), 100).front().name.text(), "z.example.");
  EXPECT_TRUE(engine_->list(*Name::parse("zz."), 100).empty());
}

TEST_F(DirectoryTest, PiecesAreSharedAndStayInOrder) {
  start();
  EngineCore core(*store_, system_clock_, settings_);
  const auto agent = [&](const std::string& name) {
    ZoneSettings settings = zone(name, {});
    auto slot = std::make_shared<ZoneSlot>(settings.name, settings.policy->access);
    return std::make_shared<ZoneAgent>(core, std::move(settings), std::move(slot));
  };
  const auto by_name = [](const auto& a, const auto& b) { return a->name() < b->name(); };
  std::map<Name, Directory::AgentPtr> model;
  auto directory = std::make_shared<const Directory>();
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::vector<Directory::AgentPtr> added, removed;
    const unsigned changes = round % 8 == 0 ? 1500 : random() % 10;
    const bool shrinks = round % 16 == 8;
    for (unsigned i = 0; i < changes; ++i) {
      const std::string name = "z" + std::to_string(random() % 5000) + (random() % 2 == 0 ? ".a." : ".b.");
      const auto found = model.lower_bound(*Name::parse(name));
      if (shrinks && found != model.end()) {
        removed.push_back(found->second);
        model.erase(found);
      } else if (!shrinks && (found == model.end() || found->first != *Name::parse(name))) {
        added.push_back(agent(name));
        model.emplace(added.back()->name(), added.back());
      }
    }
    std::ranges::sort(added, by_name);
    std::ranges::sort(removed, by_name);
    directory = directory->with(added, removed);
    ASSERT_EQ(directory->size(), model.size());
    auto expected = model.begin();
    directory->for_each([&](const Directory::AgentPtr& each) { ASSERT_EQ(each, (expected++)->second); });
    for (int i = 0; i < 200; ++i) {
      const Name wanted = *Name::parse("z" + std::to_string(random() % 5000) + ".a.");
      const auto at = model.lower_bound(wanted);
      ASSERT_EQ(directory->lower_bound(wanted), static_cast<std::size_t>(std::distance(model.begin(), at)));
      ASSERT_EQ(directory->find(wanted), at != model.end() && at->first == wanted ? at->second : nullptr);
    }
    std::size_t at = 0;
    for (auto part = directory->slice(0, 100); !part.empty(); part = directory->slice(at, 100)) at += part.size();
    ASSERT_EQ(at, model.size());
  }
  EXPECT_GT(model.size(), 1000U);
}

}  // namespace
}  // namespace understudy
