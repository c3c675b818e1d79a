#include "store/ledger.h"

#include <gtest/gtest.h>

#include "store/store_fixture.h"

namespace understudy {
namespace {

using namespace store_fixture;

Promise promise(const std::string& zone, std::uint64_t version, std::uint32_t serial, bool removed = false) {
  return {name(zone), version, serial, removed};
}

TEST(Ledger, SaysTheNewestPromiseOfEachZone) {
  TemporaryDirectory directory;
  Ledger ledger(directory / "promises");
  EXPECT_EQ(ledger.read().value().size(), 0U);
  ASSERT_TRUE(ledger.append(std::vector{promise("b.example.", 1, 10), promise("A.example.", 2, 20)}));
  ASSERT_TRUE(ledger.append(std::vector{promise("B.example.", 4, 11)}));
  ASSERT_TRUE(ledger.append(std::vector{promise("b.EXAMPLE.", 3, 99), promise("c.example.", 5, 0, true)}));
  const Promises promises = ledger.read().value();
  ASSERT_EQ(promises.size(), 3U);
  EXPECT_EQ(promises.at(0).zone, name("a.example."));
  EXPECT_EQ(promises.at(1).serial, 11U);
  EXPECT_TRUE(promises.at(2).removed);
  EXPECT_EQ(promises.highest_version(), 5U);
  EXPECT_EQ(promises.find(name("b.example."))->version, 4U);
  EXPECT_FALSE(promises.find(name("d.example.")));
  EXPECT_FALSE(promises.find(name("aa.example.")));
  EXPECT_EQ(promises.damaged_octets(), 0U);
}

TEST(Ledger, IsOrderedAsKeysAre) {
  TemporaryDirectory directory;
  Ledger ledger(directory / "promises");
  RandomZones random(5);
  std::vector<std::string> zones;
  for (std::uint32_t i = 0; i < 500; ++i) zones.push_back("z" + std::to_string(random.below(100'000)) + ".example.");
  for (const std::string& zone : zones) ASSERT_TRUE(ledger.append(std::vector{promise(zone, 1, 1)}));
  const Promises promises = ledger.read().value();
  for (std::size_t i = 1; i < promises.size(); ++i) {
    EXPECT_LT(text_of(promises.at(i - 1).zone.wire()), text_of(promises.at(i).zone.wire()));
  }
  for (const std::string& zone : zones) EXPECT_TRUE(promises.find(name(zone))) << zone;
}

TEST(Ledger, ADamagedEntryCostsOnlyItself) {
  TemporaryDirectory directory;
  const std::string path = directory / "promises";
  Ledger ledger(path);
  for (std::uint32_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(ledger.append(std::vector{promise("z" + std::to_string(10 + i) + ".", i + 1, i)}));
  }
  const Bytes whole = read_file(path);
  const std::size_t entry = whole.size() / 20;
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    Bytes damaged = whole;
    damaged[at] ^= 0x41;
    write_file(path, damaged);
    const Promises promises = ledger.read().value();
    EXPECT_EQ(promises.size(), 19U) << at;
    EXPECT_FALSE(promises.find(name("z" + std::to_string(10 + at / entry) + ".")));
    EXPECT_EQ(promises.damaged_octets(), entry);
  }
}

TEST(Ledger, WhatFollowsATornEntryIsRead) {
  TemporaryDirectory directory;
  const std::string path = directory / "promises";
  {
    Ledger ledger(path);
    ASSERT_TRUE(ledger.append(std::vector{promise("a.", 1, 1), promise("b.", 2, 2)}));
  }
  Bytes torn = read_file(path);
  torn.resize(torn.size() - 5);
  write_file(path, torn);
  Ledger ledger(path);
  ASSERT_TRUE(ledger.append(std::vector{promise("c.", 3, 3)}));
  const Promises promises = ledger.read().value();
  EXPECT_TRUE(promises.find(name("a.")));
  EXPECT_FALSE(promises.find(name("b.")));
  EXPECT_TRUE(promises.find(name("c.")));
}

TEST(Ledger, IsRewrittenAndAppendedToAfterwards) {
  TemporaryDirectory directory;
  const std::string path = directory / "promises";
  Ledger ledger(path);
  std::vector<Promise> many(1000, promise("a.example.", 1, 1));
  while (!ledger.wants_rewrite()) ASSERT_TRUE(ledger.append(many));
  EXPECT_GT(std::filesystem::file_size(path), 1'000'000U);
  ASSERT_TRUE(ledger.rewrite([](const Ledger::Sink& sink) -> Result<void> {
    sink(promise("a.example.", 7, 70));
    return {};
  }));
  EXPECT_LT(std::filesystem::file_size(path), 100U);
  EXPECT_FALSE(ledger.wants_rewrite());
  ASSERT_TRUE(ledger.append(std::vector{promise("b.example.", 8, 80)}));
  const Promises promises = ledger.read().value();
  EXPECT_EQ(promises.size(), 2U);
  EXPECT_EQ(promises.find(name("a.example."))->serial, 70U);
}

TEST(Ledger, AFailedRewriteLeavesTheFile) {
  TemporaryDirectory directory;
  const std::string path = directory / "promises";
  Ledger ledger(path);
  ASSERT_TRUE(ledger.append(std::vector{promise("a.", 1, 1)}));
  const auto rewritten = ledger.rewrite([](const Ledger::Sink&) -> Result<void> { return fail(Errc::corrupt, "no"); });
  EXPECT_EQ(rewritten.error().code, Errc::corrupt);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  EXPECT_TRUE(ledger.read().value().find(name("a.")));
}

}  // namespace
}  // namespace understudy
