#include "zone/history.h"

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using zone_fixture::name;
using zone_fixture::record;

std::shared_ptr<const ZoneDelta> step(unsigned from, unsigned to, unsigned padding = 0) {
  ZoneDeltaBuilder builder(name("example."));
  const auto soa = [](unsigned serial) {
    return record("@ 60 SOA ns.example. a.example. " + std::to_string(serial) + " 1 1 1 1");
  };
  const Record old_soa = soa(from), new_soa = soa(to);
  builder.remove(old_soa.owner, old_soa.type, old_soa.ttl, old_soa.rdata);
  builder.add(new_soa.owner, new_soa.type, new_soa.ttl, new_soa.rdata);
  if (padding != 0) builder.add(name("x.example."), static_cast<RRType>(65400), 60, Bytes(padding));
  return builder.finish().value();
}

std::vector<std::uint32_t> starts(std::span<const std::shared_ptr<const ZoneDelta>> deltas) {
  std::vector<std::uint32_t> out;
  for (const auto& delta : deltas) out.push_back(delta->from().value);
  return out;
}

using Numbers = std::vector<std::uint32_t>;

TEST(ZoneHistory, FindsTheWayFromASerialToAnother) {
  const ZoneHistory history({step(1, 2), step(2, 5), step(5, 6)});
  EXPECT_EQ(starts(history.since(Serial{1})), (Numbers{1, 2, 5}));
  EXPECT_EQ(starts(history.since(Serial{5})), (Numbers{5}));
  EXPECT_TRUE(history.since(Serial{6}).empty());
  EXPECT_TRUE(history.since(Serial{4}).empty());
  EXPECT_EQ(starts(history.between(Serial{1}, Serial{5}).value()), (Numbers{1, 2}));
  EXPECT_TRUE(history.between(Serial{5}, Serial{5}).value().empty());
  EXPECT_FALSE(history.between(Serial{5}, Serial{1}));
  EXPECT_FALSE(history.between(Serial{1}, Serial{3}));
  EXPECT_FALSE(ZoneHistory().between(Serial{1}, Serial{1}));
}

TEST(ZoneHistory, KeepsTheNewestWithinItsLimits) {
  const ZoneHistory history({step(1, 2), step(2, 3)});
  const std::vector more{step(3, 4), step(4, 5)};
  EXPECT_EQ(starts(history.with(more, {})->deltas()), (Numbers{1, 2, 3, 4}));
  EXPECT_EQ(starts(history.with(more, {.versions = 3})->deltas()), (Numbers{2, 3, 4}));
  EXPECT_EQ(starts(history.with(more, {.octets = 2 * more[0]->size()})->deltas()), (Numbers{3, 4}));
  EXPECT_TRUE(history.with(more, {.versions = 0})->empty());
  EXPECT_TRUE(history.with(std::vector{step(3, 4, 5000)}, {.octets = 1000})->empty())
      << "what is too large ends the history: nothing leads over it";
  EXPECT_EQ(history.with(more, {})->size(), 4 * more[0]->size());
}

TEST(ZoneHistory, BeginsAnewWhereNothingFollows) {
  const ZoneHistory history({step(1, 2)});
  EXPECT_EQ(starts(history.with(std::vector{step(7, 8)}, {})->deltas()), (Numbers{7}));
  EXPECT_TRUE(history.with({}, {})->empty()) << "a version that nothing leads to";
}

}  // namespace
}  // namespace understudy
