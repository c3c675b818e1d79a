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

}  // namespace
}  // namespace understudy
