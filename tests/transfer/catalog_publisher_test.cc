#include "transfer/catalog_publisher.h"

#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "transfer/catalog.h"
#include "transfer/fixture.h"

namespace understudy {
namespace {

class CatalogPublisherTest : public EngineTest {
 protected:
  ~CatalogPublisherTest() override { publisher_.reset(); }

  void begin(const std::vector<std::string>& members = {}) {
    start();
    publisher_ = std::make_unique<CatalogPublisher>(*engine_, *store_, system_clock_);
    engine_->set_events({.zones_changed = [this](std::span<const ZoneSettings> set, std::span<const Name> removed,
                                                 bool all) { publisher_->zones_changed(set, removed, all); }});
    ZoneSettings catalog = zone("catalog.", {});
    catalog.produced = true;
    std::vector<ZoneSettings> zones{catalog};
    for (const std::string& each : members) zones.push_back(member(each));
    set_zones(std::move(zones));
  }
  static ZoneSettings member(const std::string& name) {
    return with(zone(name, {}), [](ZonePolicySettings& policy) { policy.catalog_produce = *Name::parse("catalog."); });
  }
  std::size_t members() {
    const auto version = engine_->version(*Name::parse("catalog."));
    if (!version) return 0;
    const auto read = read_catalog(version);
    EXPECT_TRUE(read) << read.error().text();
    return read ? (*read)->size() : 0;
  }
  /// What is served of it, as text.
  std::string label_of(const std::string& member) {
    const auto version = engine_->version(*Name::parse("catalog."));
    for (ZoneCursor cursor(version); cursor.next();) {
      if (cursor.rrset().type() != RRType::PTR) continue;
      std::string label;
      cursor.rrset().for_each_rdata([&](ByteView rdata) {
        if (NameView::trusted(rdata).equals(*Name::parse(member))) label = cursor.owner().text();
      });
      if (!label.empty()) return label;
    }
    return "";
  }

  std::unique_ptr<CatalogPublisher> publisher_;
};

TEST_F(CatalogPublisherTest, ManyChangesBecomeFewVersionsThatFollowEachOther) {
  constexpr int count = 500;
  begin();
  ASSERT_TRUE(eventually([&] { return serial("catalog.").has_value(); })) << "also without members";
  for (int i = 0; i < count; ++i) engine_->change_zones({member("m" + std::to_string(i) + ".")}, {}, false, nullptr);
  ASSERT_TRUE(eventually([&] { return members() == count && rests("catalog."); }));
  const ZoneStatus status = *this->status("catalog.");
  EXPECT_LT(status.transfers, count) << "what comes while one is made is made together";
  // Secondaries get the way to it.
  const auto history = engine_->history(*Name::parse("catalog."));
  ASSERT_TRUE(history && !history->empty());
  EXPECT_EQ(history->deltas().back()->to(), *status.serial);
  EXPECT_EQ(history->deltas().size(), std::min<std::size_t>(status.transfers - 1, HistoryLimits{}.versions));
}

TEST_F(CatalogPublisherTest, AZoneThatGoesAndComesBackHasAnotherLabel) {
  begin();
  engine_->change_zones({member("a."), member("b.")}, {}, false, nullptr);
  ASSERT_TRUE(eventually([&] { return members() == 2; }));
  const std::string before = label_of("a."), other = label_of("b.");
  ASSERT_NE(before, "");
  // Both may be done together.
  engine_->change_zones({}, {*Name::parse("a.")}, false, nullptr);
  engine_->change_zones({member("a.")}, {}, false, nullptr);
  ASSERT_TRUE(eventually([&] { return members() == 2 && label_of("a.") != before; }));
  EXPECT_EQ(label_of("b."), other);
  engine_->change_zones({member("c.")}, {}, false, nullptr);
  engine_->change_zones({}, {*Name::parse("c."), *Name::parse("b.")}, false, nullptr);
  ASSERT_TRUE(eventually([&] { return members() == 1; }));
  EXPECT_EQ(label_of("c."), "");
}

TEST_F(CatalogPublisherTest, LabelsOutliveTheStorage) {
  begin();
  engine_->change_zones({member("a."), member("b.")}, {}, false, nullptr);
  ASSERT_TRUE(eventually([&] { return members() == 2; }));
  const std::string before = label_of("a.");
  ASSERT_NE(before, "");
  std::filesystem::remove_all(folder_ / "store");
  ASSERT_TRUE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}})) << "whatever is written next";
  EXPECT_TRUE(eventually([&] { return !publisher_->is_unstored(); }));
  publisher_->stop();
  stop();
  publisher_.reset();
  begin({"a."});
  ASSERT_TRUE(eventually([&] { return members() == 1; }));
  EXPECT_EQ(label_of("a."), before);

  // A storage that takes nothing when a catalog changes must not cost them either.
  std::filesystem::remove_all(folder_ / "store");
  std::ofstream(folder_ / "store") << "a file";
  EXPECT_FALSE(store_->put_facts(std::vector<Fact>{{"other/", Bytes(1)}}));
  engine_->change_zones({member("c.")}, {}, false, nullptr);
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(label_of("c."), "") << "not stored, not published";
  std::filesystem::remove(folder_ / "store");
  ASSERT_TRUE(eventually([&] { return members() == 2; }, 30s));
  EXPECT_EQ(label_of("a."), before);
}

}  // namespace
}  // namespace understudy
