// An engine with a store in a folder of its own, and short ways to say what a test wants.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "base/qsbr.h"
#include "transfer/engine.h"
#include "transfer/scripted_primary.h"

namespace understudy {

using namespace std::chrono_literals;

class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    static std::atomic<int> count{0};
    folder_ = std::filesystem::temp_directory_path() /
              ("understudy-transfer-" + std::to_string(getpid()) + "-" + std::to_string(++count));
    std::filesystem::create_directories(folder_);
    settings_.probe_timeout = 4s;  // a busy machine must not look like a primary that hangs
    settings_.stall_timeout = 1s;
    settings_.notify_timeout = 200ms;
  }
  ~EngineTest() override {
    stop();
    qsbr_drain();
    std::filesystem::remove_all(folder_);
  }

  void start(rocksdb::Env* disk = nullptr) {
    const std::string folder = (folder_ / "store").string();
    auto opened = disk == nullptr ? ZoneStore::open(folder) : ZoneStore::open(folder, disk);
    ASSERT_TRUE(opened) << opened.error().text();
    store_ = std::move(*opened);
    engine_ = std::make_unique<TransferEngine>(*store_, clock(), settings_);
  }
  void stop() {
    engine_.reset();
    store_.reset();
  }
  virtual const Clock& clock() { return system_clock_; }

  static PeerSettings peer(const ScriptedPrimary& primary, std::string name = "hidden1",
                           std::shared_ptr<const TsigKey> key = nullptr) {
    return {std::move(name), primary.endpoint(), std::move(key)};
  }
  static ZoneSettings zone(const std::string& name, std::vector<PeerSettings> primaries,
                           std::vector<PeerSettings> notify = {}, TransferLimits limits = {}) {
    auto policy = std::make_shared<ZonePolicySettings>();
    policy->primaries = std::move(primaries);
    policy->notify = std::move(notify);
    policy->access = std::make_shared<ZoneAccess>();
    policy->limits = limits;
    return {*Name::parse(name), "", policy};
  }
  /// The same zone with other options.
  template <typename F>
  static ZoneSettings with(ZoneSettings settings, F&& change) {
    auto policy = std::make_shared<ZonePolicySettings>(*settings.policy);
    change(*policy);
    settings.policy = std::move(policy);
    return settings;
  }
  ZoneSettings file_zone(const std::string& name, const std::string& file, std::vector<PeerSettings> notify = {}) {
    ZoneSettings settings = zone(name, {}, std::move(notify));
    settings.file = (folder_ / file).string();
    return settings;
  }
  void set_zones(std::vector<ZoneSettings> zones, bool forget = false) {
    std::promise<void> loaded;
    engine_->set_zones(std::move(zones), forget, [&] { loaded.set_value(); });
    ASSERT_EQ(loaded.get_future().wait_for(20s), std::future_status::ready);
  }

  std::optional<ZoneStatus> status(const std::string& name = "example.") { return engine_->status(*Name::parse(name)); }
  std::optional<std::uint32_t> serial(const std::string& name = "example.") {
    const auto found = status(name);
    if (!found || !found->serial) return std::nullopt;
    return found->serial->value;
  }
  /// What a query would be answered from.
  std::optional<std::uint32_t> served(const std::string& name = "example.") {
    const QsbrReader reader;  // as a worker is, between two quiescent states
    const Name zone_name = *Name::parse(name);
    HashedName hashed(zone_name.view());
    ZoneSlot* slot = engine_->table()->find_exact(hashed);
    if (slot == nullptr || slot->zone() == nullptr) return std::nullopt;
    return slot->zone()->serial().value;
  }
  bool waits_for(std::uint32_t wanted, const std::string& name = "example.", std::chrono::milliseconds limit = 20s) {
    return eventually([&] { return served(name) == wanted && serial(name) == wanted; }, limit);
  }
  bool rests(const std::string& name = "example.") {
    return eventually([&] { return status(name)->activity == ZoneActivity::idle; });
  }
  CommandOutcome refresh(const std::string& name = "example.") {
    std::promise<CommandOutcome> outcome;
    engine_->refresh(*Name::parse(name), [&](CommandOutcome got) { outcome.set_value(std::move(got)); });
    return outcome.get_future().get();
  }
  CommandOutcome retransfer(const std::string& name = "example.") {
    std::promise<CommandOutcome> outcome;
    engine_->retransfer(*Name::parse(name), [&](CommandOutcome got) { outcome.set_value(std::move(got)); });
    return outcome.get_future().get();
  }
  void notify(std::optional<std::uint32_t> serial = std::nullopt, const std::string& name = "example.",
              const IpAddress& from = IpAddress::v4(127, 0, 0, 1)) {
    engine_->notify(*Name::parse(name), from, serial ? std::optional(Serial{*serial}) : std::nullopt);
  }

  SystemClock system_clock_;
  EngineSettings settings_;
  std::filesystem::path folder_;
  std::unique_ptr<ZoneStore> store_;
  std::unique_ptr<TransferEngine> engine_;
};

}  // namespace understudy
