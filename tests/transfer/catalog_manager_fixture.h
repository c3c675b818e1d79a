// A catalog manager with an engine, a store and two primaries, and catalogs to give it.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "transfer/catalog_manager.h"
#include "transfer/failing_disk.h"
#include "transfer/fixture.h"
#include "zone/zone_fixture.h"

namespace understudy {

class CatalogManagerTest : public EngineTest {
 protected:
  void start_all(ZoneSources sources, rocksdb::Env* disk = nullptr) {
    start(disk);
    if (auto* failing = dynamic_cast<FailingDisk*>(disk)) failing->fails = true;
    manager_ = std::make_unique<CatalogManager>(*engine_, *store_, wall_);
    set(std::move(sources));
  }
  void set(ZoneSources sources) {
    std::promise<void> loaded;
    manager_->set_zones(std::move(sources), false, [&] { loaded.set_value(); });
    ASSERT_EQ(loaded.get_future().wait_for(60s), std::future_status::ready);
  }
  void stop_all() {
    manager_.reset();
    stop();
  }
  ~CatalogManagerTest() override { stop_all(); }

  /// Templates "one" and "two", with one primary each.
  ZoneSources sources(std::vector<std::string> zones = {}, std::vector<std::string> catalogs = {"a."}) {
    ZoneSources out;
    for (const std::string& each : zones) out.zones.push_back(zone(each, {peer(first_)}));
    for (const std::string& each : catalogs) {
      out.zones.push_back(zone(each, {}));
      out.catalogs.push_back({.rule = {.catalog = zone_fixture::name(each)},
                              .limits = {.max_members = 150'000},
                              .templates = {"one", {{"gold", "two"}}}});
    }
    out.from_template = [this](NameView member, const std::string& wanted, const Name*) -> std::optional<ZoneSettings> {
      if (wanted == "one") return zone(member.text(), {peer(first_)});
      if (wanted == "two") return zone(member.text(), {peer(second_, "second")});
      if (wanted == "none") return zone(member.text(), {});
      return std::nullopt;
    };
    return out;
  }
  static std::shared_ptr<const Zone> catalog(std::uint32_t serial, const std::string& members,
                                             const std::string& apex = "a.", const std::string& version = "2") {
    return zone_fixture::build("@ 0 IN SOA invalid. invalid. " + std::to_string(serial) +
                                   " 3600 600 86400 0\n@ 0 IN NS invalid.\nversion 0 IN TXT \"" + version + "\"\n" +
                                   members,
                               apex);
  }
  static std::string member(const std::string& label, const std::string& zone, const std::string& group = "") {
    std::string out = label + ".zones 0 IN PTR " + zone + "\n";
    if (!group.empty()) out += "group." + label + ".zones 0 IN TXT \"" + group + "\"\n";
    return out;
  }
  /// Until the manager has done what was asked of it before.
  void settle() {
    std::promise<void> done;
    manager_->accept(zone_fixture::name("no.such.catalog."), std::nullopt,
                     [&](const CommandOutcome&) { done.set_value(); });
    done.get_future().wait();
  }
  void publish(const std::shared_ptr<const Zone>& version) {
    manager_->published(version);
    settle();
  }
  CommandOutcome wait_for(const std::function<void(CommandDone)>& command) {
    std::promise<CommandOutcome> outcome;
    command([&](CommandOutcome got) { outcome.set_value(std::move(got)); });
    return outcome.get_future().get();
  }
  CommandOutcome accept(const std::string& catalog, std::optional<AnnouncedHold> announced = std::nullopt) {
    return wait_for(
        [&](CommandDone done) { manager_->accept(zone_fixture::name(catalog), announced, std::move(done)); });
  }
  CommandOutcome add(const std::string& zone, const std::string& wanted) {
    return wait_for(
        [&](CommandDone done) { manager_->add_zones({{zone_fixture::name(zone), wanted}}, std::move(done)); });
  }
  CommandOutcome remove(const std::string& zone, bool forget = false) {
    return wait_for(
        [&](CommandDone done) { manager_->remove_zones({zone_fixture::name(zone)}, forget, std::move(done)); });
  }
  std::optional<CatalogStatus> catalog_status(const std::string& catalog = "a.") {
    for (const CatalogStatus& each : manager_->status()) {
      if (each.catalog == zone_fixture::name(catalog)) return each;
    }
    return std::nullopt;
  }
  bool is_stored(const std::string& zone) { return store_->load(zone_fixture::name(zone)).has_value(); }

  ScriptedPrimary first_, second_;
  ManualClock wall_;
  std::unique_ptr<CatalogManager> manager_;
};

}  // namespace understudy
