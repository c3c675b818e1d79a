#include "transfer/fact_saver.h"

#include <gmock/gmock.h>

#include <thread>

#include "transfer/failing_disk.h"
#include "transfer/fixture.h"

namespace understudy {
namespace {

using FactSaverTest = EngineTest;

TEST_F(FactSaverTest, WhatIsAcknowledgedIsNotUndoneByWhatWaited) {
  FailingDisk disk;
  start(&disk);
  FactSaver saver(*store_);
  disk.writes_fail = true;
  saver.save({{"zone/x", Bytes{1}}, {"zone/y", Bytes{1}}, {"zone/z", Bytes{1}}});
  EXPECT_FALSE(saver.all_saved());
  EXPECT_FALSE(saver.put_now(std::vector<Fact>{{"zone/z", std::nullopt}}));
  disk.writes_fail = false;
  // The disk takes commands again before what waits is tried again.
  EXPECT_TRUE(eventually(
      [&] { return saver.put_now(std::vector<Fact>{{"zone/x", std::nullopt}, {"zone/y", Bytes{2}}}).has_value(); }));
  EXPECT_FALSE(saver.all_saved());
  saver.try_again();
  EXPECT_TRUE(saver.all_saved());
  EXPECT_EQ(store_->fact("zone/x").value(), std::nullopt);
  EXPECT_EQ(store_->fact("zone/y").value(), Bytes{2});
  EXPECT_EQ(store_->fact("zone/z").value(), Bytes{1}) << "what failed was not acknowledged";
  stop();  // before the disk goes
}

}  // namespace
}  // namespace understudy
