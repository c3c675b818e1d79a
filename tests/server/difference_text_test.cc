#include "server/difference_text.h"

#include <gtest/gtest.h>

#include "dns/name.h"

namespace understudy {
namespace {

Name name_of(std::string_view text) {
  return Name::parse(text).value();
}

// RDATA of a SOA with root names.
Bytes soa(std::uint8_t serial) {
  Bytes rdata(22, 0);
  rdata[5] = serial;
  return rdata;
}

std::shared_ptr<const ZoneDelta> delta(std::uint8_t from, std::uint8_t to, int added) {
  const Name apex = name_of("example.");
  ZoneDeltaBuilder builder(apex.view());
  builder.remove(apex.view(), RRType::SOA, 60, soa(from));
  builder.remove(name_of("www.example.").view(), RRType::A, 300, Bytes{192, 0, 2, 80});
  builder.add(apex.view(), RRType::SOA, 60, soa(to));
  for (int i = 0; i < added; ++i) {
    builder.add(name_of("www.example.").view(), RRType::A, 300,
                Bytes{10, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)});
  }
  return builder.finish().value();
}

TEST(DifferenceText, RemovedThenAdded) {
  DifferenceText text(delta(4, 5, 1));
  std::vector<DifferenceLine> lines;
  EXPECT_FALSE(text.next(lines));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_FALSE(lines[0].added);
  EXPECT_EQ(lines[0].record, "example.\t60\tIN\tSOA\t. . 4 0 0 0 0");
  EXPECT_EQ(lines[1].record, "www.example.\t300\tIN\tA\t192.0.2.80");
  EXPECT_TRUE(lines[2].added);
  EXPECT_EQ(lines[2].record, "example.\t60\tIN\tSOA\t. . 5 0 0 0 0");
  EXPECT_EQ(lines[3].record, "www.example.\t300\tIN\tA\t10.0.0.0");
}

TEST(DifferenceText, ComesInPieces) {
  DifferenceText text(delta(4, 5, 2'000));
  std::size_t lines = 0, pieces = 0;
  for (bool more = true; more; ++pieces) {
    std::vector<DifferenceLine> piece;
    more = text.next(piece);
    EXPECT_LE(piece.size(), 500U);
    lines += piece.size();
  }
  EXPECT_EQ(lines, 2'003U);
  EXPECT_EQ(pieces, 5U);
}

TEST(HistoryRows, TheNewestFirst) {
  const ZoneHistory history({delta(4, 5, 1), delta(5, 9, 3)});
  const auto rows = history_rows(history, Serial{9}, 1'000);
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].serial, 9U);
  EXPECT_EQ(rows[0].from, 5U);
  EXPECT_EQ(rows[0].removed, 2U);
  EXPECT_EQ(rows[0].added, 4U);
  EXPECT_EQ(rows[0].size, history.deltas()[1]->size());
  EXPECT_TRUE(rows[0].current);
  EXPECT_EQ(rows[0].at, 1'000);
  EXPECT_EQ(rows[1].serial, 5U);
  EXPECT_FALSE(rows[1].current);
  EXPECT_EQ(rows[2].serial, 4U);
  EXPECT_EQ(rows[2].from, std::nullopt);
}

TEST(HistoryRows, WithoutDifferencesOnlyTheCurrentVersion) {
  const auto rows = history_rows(ZoneHistory(), Serial{7}, 0);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].serial, 7U);
  EXPECT_TRUE(rows[0].current);
}

}  // namespace
}  // namespace understudy
