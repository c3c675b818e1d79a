#include "zone/compaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dns/nsec3.h"
#include "zone/delta_fixture.h"
#include "zone/random_history.h"

namespace understudy {
namespace {

using namespace zone_fixture;
using testing::HasSubstr;

std::shared_ptr<const Zone> applied(const std::shared_ptr<const Zone>& base, const DeltaPtr& by) {
  auto made = apply_deltas(base, {&by, 1});
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

/// To its end, so many names at a time; `calls` gets how often.
std::shared_ptr<const Zone> compacted(Compaction& compaction, std::size_t names, unsigned* calls = nullptr) {
  while (true) {
    if (calls != nullptr) ++*calls;
    const auto done = compaction.work(names);
    EXPECT_TRUE(done) << done.error().text();
    if (!done) return nullptr;
    if (*done) return compaction.version();
  }
}

TEST(CompactionTest, TheSameRecordsAndThenTheUpdatesThatCameMeanwhile) {
  unsigned of_their_own = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    const Name at = name(seed % 7 == 0 ? "." : "example.");
    const bool is_odd = seed % 2 == 0;
    RandomHistory history(seed, at, seed % 50 == 0 ? 400 : 20,
                          is_odd ? RandomHistory::Data::odd : RandomHistory::Data::regular);
    auto current = build_shared(history.records(), at);
    for (int i = 0; i < 6; ++i) {  // so that it lies scattered
      const DeltaPtr step = history.step(1 + history.random().below(6));
      const auto next = apply_deltas(current, {&step, 1});
      current = next ? *next : build_shared(history.records(), at);
    }
    Compaction compaction(current);
    const auto made = compacted(compaction, 1 + history.random().below(9));
    ASSERT_NE(made, nullptr);
    expect_same(made, current);
    EXPECT_NE(made->id(), current->id());
    EXPECT_EQ(made->denial(), current->denial());
    const auto nothing = difference(current, made);
    ASSERT_TRUE(nothing);
    EXPECT_EQ((*nothing)->removed_count() + (*nothing)->added_count(), 2U) << "its SOA";
    if (made->shared() == nullptr) ++of_their_own;
    std::vector<DeltaPtr> later;
    for (int i = 0; i < 4; ++i) {
      const DeltaPtr step = history.step(1 + history.random().below(4));
      const auto next = apply_deltas(current, {&step, 1});
      if (!next) break;
      later.push_back(step);
      current = *next;
    }
    const std::size_t first = later.size() / 2;
    const auto one = compaction.follow(std::span(later).first(first));
    const auto other = one ? compaction.follow(std::span(later).subspan(first)) : one;
    if (!other) {  // a small one may have changed too much for it
      EXPECT_EQ(other.error().code, Errc::byte_limit) << other.error().text();
      continue;
    }
    expect_same(compaction.version(), current);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(of_their_own, 20U);
}

std::vector<std::string> names_of(const Zone& zone, const OwnerTree& tree) {
  std::vector<std::string> out;
  tree.for_each([&](const Node& node) {
    const Name at = zone.owner_of(&node);
    EXPECT_EQ(&node, zone.find(HashedName(at))) << at.text();
    out.push_back(at.text());
  });
  return out;
}

TEST(CompactionTest, NamesThatDenyOthersAreThereInOrder) {
  const Nsec3Params params{1, 0, 0, {}};
  const auto hashed = [&](const std::string& host) {
    const Nsec3Label label = nsec3_label(nsec3_hash(name(host + "example."), params));
    return std::string(label.begin(), label.end()) + " 60 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A\n";
  };
  for (const bool has_nsec : {true, false}) {
    for (const bool has_nsec3 : {true, false}) {
      const auto lines = [&](unsigned i) {
        const std::string host = "h" + std::to_string(i * 7919 % 1000);
        std::string out = "glue." + host + " 60 A 192.0.2.1\n" + host + " 60 A 192.0.2.1\n";
        if (has_nsec) out += host + " 60 NSEC example. A\n";
        if (has_nsec3) out += hashed(host + ".");
        return out;
      };
      std::string text;
      if (has_nsec) text += "@ 60 NSEC example. NS SOA\n";
      if (has_nsec3) text += "@ 60 NSEC3PARAM 1 0 0 -\n" + hashed("");
      for (unsigned i = 0; i < 600; ++i) text += lines(i);
      auto zone = shared_zone(text);
      for (unsigned i = 0; i < 40; ++i) zone = applied(zone, delta(1 + i, lines(i * 3), lines(700 + i)));
      EXPECT_EQ(zone->nsec_names().empty(), !has_nsec);
      EXPECT_EQ(zone->nsec3_names().empty(), !has_nsec3);
      Compaction compaction(zone);
      auto made = compacted(compaction, 7);
      ASSERT_NE(made, nullptr);
      EXPECT_EQ(made->denial(), zone->denial());
      expect_same(made, zone);
      EXPECT_EQ(names_of(*made, made->nsec_names()), names_of(*zone, zone->nsec_names()));
      EXPECT_EQ(names_of(*made, made->nsec3_names()), names_of(*zone, zone->nsec3_names()));
      const DeltaPtr later = delta(41, lines(1), lines(800));
      ASSERT_TRUE(compaction.follow({&later, 1}));
      zone = applied(zone, later);
      made = compaction.version();
      expect_same(made, zone);
      EXPECT_EQ(names_of(*made, made->nsec_names()), names_of(*zone, zone->nsec_names()));
      EXPECT_EQ(names_of(*made, made->nsec3_names()), names_of(*zone, zone->nsec3_names()));
    }
  }
}

std::string host_lines(unsigned from, unsigned to, unsigned left_out = 0) {
  std::string out;
  for (unsigned i = from; i < to; ++i) {
    if (left_out != 0 && i % left_out == 0) continue;
    out += "h" + std::to_string(i) + " 60 TXT " + std::string(150, 'x') + "\n";
  }
  return out;
}

constexpr unsigned hosts = 150'000;

/// Two thirds of a zone have gone, a part at a time.
std::shared_ptr<const Zone> sparse_zone() {
  auto zone = build(soa(1) + "@ 3600 NS ns.example.\n" + host_lines(0, hosts));
  constexpr unsigned parts = 6;
  for (unsigned i = 0; i < parts; ++i) {
    zone = applied(zone, delta(1 + i, host_lines(hosts / parts * i, hosts / parts * (i + 1), 3), ""));
  }
  return applied(zone, delta(1 + parts, "", "x 60 A 192.0.2.1\n"));  // what the last part left is free now
}

TEST(CompactionTest, AnUpdateLeavesSparseMemoryToIt) {
  const auto full = build(soa(1) + "@ 3600 NS ns.example.\n" + host_lines(0, hosts));
  EXPECT_FALSE(is_sparse(*full));
  auto zone = sparse_zone();
  ASSERT_TRUE(is_sparse(*zone));
  const auto next = applied(zone, delta(8, "", "y 60 A 192.0.2.1\n"));
  ASSERT_NE(next->shared(), nullptr);
  EXPECT_TRUE(next->shared()->shares_with(*zone->shared())) << "the update does not build all of it anew";
  const std::uint64_t before = next->memory_size();
  EXPECT_GE(before, full->memory_size());
  Compaction compaction(next);
  const auto made = compacted(compaction, 1000);
  ASSERT_NE(made, nullptr);
  EXPECT_LT(made->memory_size(), before / 2);
  EXPECT_FALSE(is_sparse(*made));
  expect_same(made, next);
  const DeltaPtr later = delta(9, "h3 60 TXT " + std::string(150, 'x') + "\n", "z 60 A 192.0.2.1\n");
  ASSERT_TRUE(compaction.follow({&later, 1}));
  EXPECT_TRUE(compaction.version()->shared()->shares_with(*made->shared()));
  expect_same(compaction.version(), applied(next, later));
}

TEST(CompactionTest, ItsStepsAreShort) {
  auto zone = sparse_zone();
  const auto names = static_cast<unsigned>(zone->node_count());
  Compaction compaction(zone);
  unsigned calls = 0;
  ASSERT_NE(compacted(compaction, 100, &calls), nullptr);
  EXPECT_GE(calls, names / 100 * 2 - 2) << "copied, then prepared";
  EXPECT_LE(calls, names / 100 * 3 + zone->bucket_count() / 100 + 10);
}

TEST(CompactionTest, KeepsTheVersionOnlyAsLongAsItNeedsIt) {
  auto zone = sparse_zone();
  const std::weak_ptr<const Zone> before = zone;
  Compaction compaction(std::move(zone));
  ASSERT_TRUE(compaction.work(10));
  EXPECT_FALSE(before.expired());
  ASSERT_NE(compacted(compaction, 100'000), nullptr);
  EXPECT_TRUE(before.expired());
}

TEST(CompactionTest, SaysWhenItCannotFollow) {
  const auto zone = sparse_zone();
  Compaction compaction(zone);
  ASSERT_NE(compacted(compaction, 100'000), nullptr);
  const DeltaPtr misfit = delta(8, "nobody 60 A 192.0.2.1\n", "");
  const auto refused = compaction.follow({&misfit, 1});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::bad_delta);
  const DeltaPtr gap = delta(9, "", "");
  EXPECT_FALSE(compaction.follow({&gap, 1}));
  std::string left;
  for (unsigned i = 0; i < hosts / 6 * 5; i += 3) left += host_lines(i, i + 1);
  const DeltaPtr most = delta(8, left, "");
  const auto much = compaction.follow({&most, 1});
  ASSERT_FALSE(much) << "that would be building it anew once more, at once";
  EXPECT_EQ(much.error().code, Errc::byte_limit);
}

TEST(CompactionTest, KeepsToTheLimit) {
  const auto zone = sparse_zone();
  Compaction compaction(zone, std::uint64_t{1} << 20);
  Result<bool> done = false;
  while (done && !*done) done = compaction.work(1000);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::byte_limit);
}

}  // namespace
}  // namespace understudy
