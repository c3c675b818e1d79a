#include "zone/arena.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <thread>

namespace understudy {
namespace {

std::shared_ptr<ZoneArena> arena_of(std::size_t room, std::size_t used = 64) {
  return std::make_shared<ZoneArena>(ZoneMemory::allocate(room), used);
}

std::size_t in_use(const ZoneArena& arena) {
  return arena.used() - arena.free();
}

TEST(ArenaTest, WhatIsNotCommittedIsGivenBack) {
  const auto arena = arena_of(4096);
  ArenaVersion base(arena);
  {
    ArenaUpdate update(base, 4096);
    const std::uint32_t ref = update.allocate(100 * 8);
    ASSERT_NE(ref, 0U);
    EXPECT_EQ(update.allocate(4096), 0U) << "no room";
    EXPECT_GE(ref * 8, 64U);
    EXPECT_EQ(in_use(*arena), 64U + 800);
    update.drop(1, 16);
  }
  EXPECT_EQ(arena->used(), 64U);
  EXPECT_TRUE(base.is_newest());
}

TEST(ArenaTest, TheLimitHolds) {
  const auto arena = arena_of(4096);
  ArenaVersion base(arena);
  ArenaUpdate update(base, 1024);
  EXPECT_EQ(update.allocate(1024), 0U);
  EXPECT_NE(update.allocate(1024 - 64), 0U);
  EXPECT_EQ(update.allocate(8), 0U);
}

TEST(ArenaTest, PlacesAreAligned) {
  const auto arena = arena_of(1 << 16);
  ArenaVersion base(arena);
  ArenaUpdate update(base, 1 << 16);
  std::map<std::uint32_t, std::uint32_t> taken;
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const std::size_t octets = 8 * (1 + random() % 20), alignment = random() % 2 == 0 ? 8 : 64;
    const std::uint32_t ref = update.allocate(octets, alignment);
    ASSERT_NE(ref, 0U);
    EXPECT_EQ(std::size_t{ref} * 8 % alignment, 0U);
    const auto next = taken.lower_bound(ref);
    EXPECT_TRUE(next == taken.end() || next->first >= ref + octets / 8);
    EXPECT_TRUE(next == taken.begin() || std::prev(next)->first + std::prev(next)->second <= ref);
    taken[ref] = static_cast<std::uint32_t>(octets / 8);
    if (random() % 2 != 0) continue;
    const auto gone = std::next(taken.begin(), static_cast<std::ptrdiff_t>(random() % taken.size()));
    update.drop(gone->first, std::size_t{gone->second} * 8);
    taken.erase(gone);
  }
}

// A model: each version sees some pieces; whatever order versions go in, what some version still sees is never given
// out again, and what none sees is free.
TEST(ArenaTest, PiecesLiveAsLongAsAVersionSeesThem) {
  for (std::uint32_t seed = 1; seed <= 40; ++seed) {
    std::mt19937 random(seed);
    const auto arena = arena_of(1 << 20);
    struct Version {
      std::unique_ptr<ArenaVersion> place;
      std::map<std::uint32_t, std::uint32_t> pieces;  // ref -> octets
    };
    std::vector<Version> versions;
    versions.push_back({std::make_unique<ArenaVersion>(arena), {}});
    for (int i = 0; i < 300; ++i) {
      if (random() % 5 < 3) {
        ArenaUpdate update(*versions.back().place, 1 << 20);
        auto pieces = versions.back().pieces;
        for (std::size_t n = random() % 5; n > 0 && !pieces.empty(); --n) {
          const auto gone = std::next(pieces.begin(), static_cast<std::ptrdiff_t>(random() % pieces.size()));
          update.drop(gone->first, gone->second);
          pieces.erase(gone);
        }
        for (std::size_t n = random() % 5; n > 0; --n) {
          const std::uint32_t octets = 8 * (1 + random() % 30);
          const std::uint32_t ref = update.allocate(octets);
          ASSERT_NE(ref, 0U);
          for (const Version& version : versions) {
            for (const auto& [known, size] : version.pieces) {
              ASSERT_TRUE(ref + octets / 8 <= known || known + size / 8 <= ref) << "seen by a version that lives";
            }
          }
          ASSERT_TRUE(pieces.emplace(ref, octets).second);
        }
        versions.push_back({update.commit(), pieces});
      } else if (versions.size() > 1) {
        versions.erase(versions.begin() + static_cast<std::ptrdiff_t>(random() % versions.size()));
      }
      std::map<std::uint32_t, std::uint32_t> seen;
      for (const Version& version : versions) seen.insert(version.pieces.begin(), version.pieces.end());
      std::size_t octets = 64;
      for (const auto& [ref, size] : seen) octets += size;
      ASSERT_EQ(in_use(*arena), octets) << "seed " << seed << " step " << i;
      for (const Version& version : versions) {
        EXPECT_EQ(version.place->is_newest(), &version == &versions.back());
      }
    }
  }
}

TEST(ArenaTest, VersionsMayGoOnAnyThread) {
  const auto arena = arena_of(1 << 20);
  auto newest = std::make_unique<ArenaVersion>(arena);
  std::uint32_t piece = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 200; ++i) {
    ArenaUpdate update(*newest, 1 << 20);
    const std::uint32_t next = update.allocate(256);
    ASSERT_NE(next, 0U);
    if (piece != 0) update.drop(piece, 256);
    piece = next;
    auto made = update.commit();
    threads.emplace_back([old = std::move(newest)]() mutable { old.reset(); });
    newest = std::move(made);
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(in_use(*arena), 64U + 256);
}

}  // namespace
}  // namespace understudy
