#include <gtest/gtest.h>

#include "zone/apply.h"
#include "zone/delta_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

TEST(DifferenceTest, NothingButTheSerial) {
  const auto one = build(soa(1) + "@ 3600 NS ns.example.\na 60 A 192.0.2.1\nA 60 A 192.0.2.2\n");
  const auto other = build(soa(7) + "@ 3600 NS ns.example.\nA 60 A 192.0.2.2\na 60 A 192.0.2.1\n");
  const auto found = difference(one, other);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->removed_count(), 1U) << "order and the owner's case are no differences";
  EXPECT_EQ((*found)->added_count(), 1U);
  EXPECT_EQ((*found)->to(), Serial{7});
}

TEST(DifferenceTest, IsBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "h" + std::to_string(i) + " 60 A 192.0.2.1\n";
  const auto one = build(apex_text());
  const auto other = build(apex_text() + text);
  const auto found = difference(one, other, 2000);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Errc::byte_limit);
  EXPECT_TRUE(difference(one, other, 100'000));
}

TEST(CondenseTest, WhatComesAndGoesIsGone) {
  const std::vector<DeltaPtr> deltas = {delta(1, "a 60 A 192.0.2.1\n", "b 60 A 192.0.2.2\nc 60 A 192.0.2.3\n"),
                                        delta(2, "b 60 A 192.0.2.2\n", "A 60 A 192.0.2.1\n")};
  const auto condensed = condense(apex(), deltas);
  ASSERT_TRUE(condensed) << condensed.error().text();
  EXPECT_EQ((*condensed)->removed_count(), 1U);
  EXPECT_EQ((*condensed)->added_count(), 2U);
  EXPECT_EQ((*condensed)->from(), Serial{1});
  EXPECT_EQ((*condensed)->to(), Serial{3});
}

TEST(CondenseTest, RefusesWhatDoesNotFollow) {
  const DeltaPtr first = delta(1, "a 60 A 192.0.2.1\n", "");
  for (const DeltaPtr& second : {delta(3, "", ""), delta(2, "a 60 A 192.0.2.1\n", "")}) {
    const std::vector<DeltaPtr> both = {first, second};
    const auto condensed = condense(apex(), both);
    ASSERT_FALSE(condensed);
    EXPECT_EQ(condensed.error().code, Errc::bad_delta);
  }
  EXPECT_FALSE(condense(apex(), {}));
}

}  // namespace
}  // namespace understudy
