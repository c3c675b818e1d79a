// What becomes of stored zones where the store cannot be read.
#include "transfer/stored_zones.h"

#include <gmock/gmock.h>

#include <set>

#include "transfer/failing_disk.h"
#include "transfer/fixture.h"
#include "transfer/leftovers.h"
#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using zone_fixture::name;

class StoredZonesTest : public EngineTest {
 protected:
  ~StoredZonesTest() override { stop(); }  // before the disk goes
  /// Has the store read all that it has from tables, which may fail.
  void start_anew() {
    for (int i = 0; i < 24; ++i) {  // what is stored goes from the memory of the database, and its log, into a table
      ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"z/" + std::to_string(i), Bytes(1 << 20)}}));
    }
    stop();
    start(&disk_);
  }
  std::set<std::string> zones_in_store() {
    std::set<std::string> out;
    EXPECT_TRUE(store_->visit_facts(zone_fact_prefix, [&](std::string_view key, ByteView value) {
      const auto zone = read_run_time_fact(key, value);
      if (zone) out.insert(zone->name.text());
      return true;
    }));
    return out;
  }

  FailingDisk disk_;
};

// What is served is stored again all the same, and what is not waits until it can be found.
TEST_F(StoredZonesTest, StoringAgainSaysIfWhatIsThereCannotBeRead) {
  start();
  const RunTimeZone here{name("here."), "one"}, added{name("added."), "one"};
  ASSERT_TRUE(store_->put_facts(
      std::vector<Fact>{run_time_fact(here), run_time_fact({.name = name("gone."), .template_name = "one"})}));
  start_anew();
  StoredZones known;
  known.inventory.add(here);
  known.inventory.add(added);
  const auto save = [this](const std::vector<Fact>& facts) { EXPECT_TRUE(store_->put_facts(facts)); };
  disk_.fails = true;
  const Result<void> failed = known.store_again(*store_, save);
  ASSERT_FALSE(failed);
  EXPECT_GT(disk_.failures, 0);
  EXPECT_THAT(failed.error().text(), ::testing::HasSubstr("the disk does not answer"));
  disk_.fails = false;
  EXPECT_THAT(zones_in_store(), ::testing::ElementsAre("added.", "gone.", "here."));
  ASSERT_TRUE(known.store_again(*store_, save));
  EXPECT_THAT(zones_in_store(), ::testing::ElementsAre("added.", "here."));
}

// Whether there is something to forget is not known then, so nothing is.
TEST_F(StoredZonesTest, AZoneThatCannotBeLookedForIsNotTakenForOneThatIsNotStored) {
  start();
  const Name left = name("left.");
  const std::vector<Name> zones{left};
  ASSERT_TRUE(
      store_->commit({.version = zone_fixture::build("@ 0 IN SOA a. a. 1 3600 600 86400 0\n@ 0 IN NS a.\n", "left.")}));
  start_anew();
  const StoredZones known;
  disk_.fails = true;
  const auto failed = plan_removal(known, *store_, zones, true);
  ASSERT_FALSE(failed);
  EXPECT_GT(disk_.failures, 0);
  EXPECT_EQ(failed.error().code, Errc::storage) << failed.error().text();
  EXPECT_THAT(failed.error().text(), ::testing::HasSubstr("the disk does not answer"));
  disk_.fails = false;
  const auto found = plan_removal(known, *store_, zones, true);
  ASSERT_TRUE(found) << found.error().text();
  EXPECT_EQ(found->left, zones);
}

}  // namespace
}  // namespace understudy
