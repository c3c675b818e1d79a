#include "transfer/exchange_trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xfr/soa_query.h"

namespace understudy {
namespace {

using testing::HasSubstr;

TEST(ExchangeTrace, OneLineForEachMessage) {
  ExchangeTrace trace;
  Bytes query = soa_query(*Name::parse("example."), 4711);
  trace.sent(query, 0, "UDP");
  query[2] |= 0x84;
  query[3] |= 5;
  query[7] = 2;
  trace.received(query, 0.0124, "TCP");
  trace.received(Bytes{1, 2, 3}, 0.5, "TCP");
  const auto lines = trace.lines();
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0],
            "+0.000 s -> UDP id 4711 QUERY NOERROR, 1 question, 0 answer, 0 authority, 0 additional, 25 octets");
  EXPECT_THAT(lines[1], HasSubstr("+0.012 s <- TCP id 4711 QUERY REFUSED QR AA, 1 question, 2 answer"));
  EXPECT_EQ(lines[2], "+0.500 s <- TCP 3 octets, not a DNS message");
}

TEST(ExchangeTrace, KeepsTheFirstAndTheLast) {
  ExchangeTrace trace;
  for (unsigned i = 0; i < 1000; ++i) {
    trace.received(soa_query(*Name::parse("."), static_cast<std::uint16_t>(i)), i, "TCP");
  }
  const auto lines = trace.lines();
  ASSERT_EQ(lines.size(), 25U);
  for (unsigned i = 0; i < 12; ++i) {
    EXPECT_THAT(lines[i], HasSubstr(" id " + std::to_string(i) + " "));
    EXPECT_THAT(lines[13 + i], HasSubstr(" id " + std::to_string(988 + i) + " "));
  }
  EXPECT_EQ(lines[12], "(976 messages left out)");
}

}  // namespace
}  // namespace understudy
