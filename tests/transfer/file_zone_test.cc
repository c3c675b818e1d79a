#include "transfer/file_zone.h"

#include <gmock/gmock.h>

#include <fstream>

#include "transfer/fixture.h"

namespace understudy {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FileZone : public EngineTest {
 protected:
  void write(const ZoneSpec& spec) { write(zone_file_text(spec)); }
  void write(const std::string& text) {
    std::ofstream(folder_ / "new") << text;
    std::filesystem::rename(folder_ / "new", folder_ / "example.zone");
  }
};

TEST_F(FileZone, IsServedAndAnnounced) {
  ScriptedPrimary downstream;
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone", {peer(downstream, "down")})});
  EXPECT_EQ(served(), 3U);
  EXPECT_TRUE(status()->from_file);
  EXPECT_EQ(status()->state, ZoneState::ok);
  EXPECT_TRUE(eventually([&] { return downstream.notifies == 1; }));
  write({.serial = 4});
  EXPECT_THAT(refresh().text, HasSubstr("serial 3 -> 4"));
  EXPECT_EQ(served(), 4U);
  EXPECT_TRUE(eventually([&] { return downstream.notifies == 2; }));
  const auto stored = store_->list([](const std::string&) {});
  EXPECT_TRUE(stored && stored->empty()) << "the file is its store";
}

TEST_F(FileZone, IsCurrentIfNothingChanged) {
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone")});
  const auto before = engine_->version(*Name::parse("example."));
  EXPECT_THAT(refresh().text, HasSubstr("serial 3 is current"));
  EXPECT_EQ(engine_->version(*Name::parse("example.")), before);
}

TEST_F(FileZone, AMistakeKeepsTheOldVersionAndNamesTheLine) {
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone")});
  write({.serial = 4, .hosts = 0, .extra = "www A 192.0.2.300\n"});
  const CommandOutcome outcome = refresh();
  ASSERT_FALSE(outcome.result);
  EXPECT_THAT(outcome.result.error().text(), HasSubstr("example.zone:8:"));
  EXPECT_EQ(served(), 3U);
  EXPECT_EQ(status()->state, ZoneState::failing);
  write({.serial = 5});
  EXPECT_TRUE(refresh().result);
  EXPECT_EQ(status()->state, ZoneState::ok);
}

TEST_F(FileZone, AMistakeAtTheStartServesNothing) {
  write("nonsense\n");
  start();
  set_zones({file_zone("example.", "example.zone")});
  EXPECT_EQ(served(), std::nullopt);
  EXPECT_EQ(status()->state, ZoneState::empty);
  EXPECT_THAT(status()->last_error, HasSubstr("example.zone:1:"));
  write({.serial = 5});
  set_zones({file_zone("example.", "example.zone")});
  EXPECT_TRUE(waits_for(5)) << "a reload reads what was written";
}

TEST_F(FileZone, AChangeWithoutANewSerialIsServedWithAWarning) {
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone")});
  write({.serial = 3, .hosts = 9});
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(refresh().result);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("raise the serial"));
  EXPECT_EQ(status()->records, 14U);
}

TEST_F(FileZone, ASerialThatGoesBackIsServedWithAWarning) {
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone")});
  write({.serial = 2});
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(refresh().result);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("went back"));
  EXPECT_EQ(served(), 2U);
}

TEST_F(FileZone, BecomesASecondaryZoneAndBack) {
  ScriptedPrimary primary;
  primary.serve({.serial = 8});
  write({.serial = 3});
  start();
  set_zones({file_zone("example.", "example.zone")});
  set_zones({zone("example.", {peer(primary)})});
  ASSERT_TRUE(waits_for(8));
  EXPECT_FALSE(status()->from_file);
  set_zones({file_zone("example.", "example.zone")});
  EXPECT_TRUE(waits_for(3));
}

TEST(SameContent, SeesEveryDifference) {
  const auto make = [](const std::string& extra) {
    ZoneBuilder builder(*Name::parse("example."));
    for (const Record& r : zone_records({.extra = extra})) EXPECT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata));
    return *builder.finish();
  };
  const auto base = make("a A 192.0.2.1\na A 192.0.2.2\nb TXT x\n");
  EXPECT_TRUE(same_content(base, make("b TXT x\na A 192.0.2.2\na A 192.0.2.1\n")));
  EXPECT_FALSE(same_content(base, make("a A 192.0.2.1\na A 192.0.2.3\nb TXT x\n")));
  EXPECT_FALSE(same_content(base, make("a A 192.0.2.1\na A 192.0.2.2\nc TXT x\n")));
  EXPECT_FALSE(same_content(base, make("a A 192.0.2.1\na A 192.0.2.2\nb 60 TXT x\n")));
  EXPECT_FALSE(same_content(base, make("a A 192.0.2.1\nb TXT x\n")));
}

}  // namespace
}  // namespace understudy
