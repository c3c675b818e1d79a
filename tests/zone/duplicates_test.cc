#include "zone/duplicates.h"

#include <gtest/gtest.h>

#include <set>

#include "zone/random_records.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(DuplicatesTest, KeepsTheFirstOfEach) {
  RandomRecords random(3);
  for (const RRType type : {RRType::A, RRType::MX, RRType::NS, RRType::TXT, static_cast<RRType>(65280)}) {
    for (const std::size_t count : {0U, 1U, 2U, 15U, 16U, 17U, 18U, 100U, 2000U}) {
      std::vector<Bytes> data;
      for (std::size_t i = 0; i < count; ++i) {
        if (i != 0 && random.once_in(2)) {
          Bytes again = data[random.below(i)];
          if (type == RRType::NS) {
            const Name spelled = random.other_case(NameView::trusted(again));
            again.assign(spelled.wire().begin(), spelled.wire().end());
          }
          data.push_back(again);
        } else {
          data.push_back(random.rdata(type, name("example.")));
        }
      }
      std::vector<StagedRecord> records;
      std::vector<ByteView> expected;
      std::set<Bytes> seen;
      for (const Bytes& rdata : data) {
        records.push_back({type, 60, rdata});
        Bytes canonical;
        append_canonical_rdata(type, rdata, canonical);
        if (seen.insert(canonical).second) expected.emplace_back(rdata);
      }
      const std::size_t kept = drop_duplicates(records);
      ASSERT_EQ(kept, expected.size());
      for (std::size_t i = 0; i < kept; ++i) {
        EXPECT_EQ(records[i].rdata.data(), expected[i].data()) << "the same octets in the same order";
      }
    }
  }
}

// Records without octets are records.
TEST(DuplicatesTest, EmptyRdata) {
  std::vector<StagedRecord> records(20, StagedRecord{static_cast<RRType>(65280), 60, {}});
  EXPECT_EQ(drop_duplicates(records), 1U);
  EXPECT_EQ(drop_duplicates(std::span(records).first(2)), 1U);
}

// Quadratic work would take minutes.
TEST(DuplicatesTest, ManyEqualRecords) {
  const Bytes same(20, 1);
  std::vector<StagedRecord> records(300'000, StagedRecord{RRType::TXT, 60, same});
  EXPECT_EQ(drop_duplicates(records), 1U);
}

TEST(DuplicatesTest, HashesFollowTheSameRule) {
  const Bytes lower = {1, 'a', 0}, upper = {1, 'A', 0}, other = {1, 'b', 0};
  const auto same = [](RRType type, const Bytes& a, const Bytes& b) { return same_rdata({type, 0, a}, {type, 9, b}); };
  EXPECT_TRUE(same(RRType::NS, lower, upper)) << "names compare without case";
  EXPECT_EQ(rdata_hash(RRType::NS, lower), rdata_hash(RRType::NS, upper));
  EXPECT_FALSE(same(RRType::NS, lower, other));
  EXPECT_NE(rdata_hash(RRType::NS, lower), rdata_hash(RRType::NS, other));
  const auto opaque = static_cast<RRType>(65280);
  EXPECT_FALSE(same(opaque, lower, upper));
  EXPECT_NE(rdata_hash(opaque, lower), rdata_hash(opaque, upper));
  EXPECT_NE(rdata_hash(opaque, lower), rdata_hash(static_cast<RRType>(65281), lower));
  EXPECT_NE(rdata_hash(opaque, {}), rdata_hash(opaque, Bytes{0})) << "zeros count";
}

}  // namespace
}  // namespace understudy
