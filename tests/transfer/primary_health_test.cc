#include "transfer/primary_health.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

using Outcome = PrimaryHealth::Outcome;

class PrimaryHealthTest : public testing::Test {
 protected:
  void begin() { health_.begin(primary_); }
  void end(Outcome outcome, double began, double now) { health_.end(primary_, "hidden1", outcome, began, now); }
  [[nodiscard]] bool passed_over(double now) const { return health_.is_to_be_passed_over(primary_, now); }

  const Endpoint primary_ = *Endpoint::parse("192.0.2.1@53");
  PrimaryHealth health_;
};

TEST_F(PrimaryHealthTest, OneCheckAtATimeFindsOutWhetherItStillHangs) {
  EXPECT_FALSE(passed_over(0));
  begin();
  begin();
  EXPECT_FALSE(passed_over(1));
  end(Outcome::hung, 0, 5);
  EXPECT_TRUE(passed_over(7)) << "the second is still waiting";
  end(Outcome::hung, 0, 8);
  EXPECT_TRUE(passed_over(8.5)) << "those that queued for it go elsewhere";
  EXPECT_FALSE(passed_over(9)) << "the next finds out";
  begin();
  EXPECT_TRUE(passed_over(12));
  EXPECT_FALSE(health_.is_to_be_passed_over(*Endpoint::parse("192.0.2.1@54"), 12));
  end(Outcome::answered, 9, 13);
  begin();
  EXPECT_FALSE(passed_over(13));
}

TEST_F(PrimaryHealthTest, WhoAnswersOthersDoesNotHang) {
  begin();
  begin();
  begin();
  end(Outcome::answered, 0, 1);
  end(Outcome::hung, 0, 5);
  EXPECT_FALSE(passed_over(5)) << "it leaves one zone without an answer only";
  end(Outcome::hung, 2, 7);
  begin();
  EXPECT_TRUE(passed_over(7)) << "nothing came since 1";
}

TEST_F(PrimaryHealthTest, WhatIsNotKnownChangesNothing) {
  begin();
  end(Outcome::unknown, 0, 5);
  begin();
  EXPECT_FALSE(passed_over(5));
  end(Outcome::hung, 5, 10);
  begin();
  end(Outcome::unknown, 10, 11);
  begin();
  EXPECT_TRUE(passed_over(20));
}

}  // namespace
}  // namespace understudy
