// A zone that changes, for tests of what is stored of it: versions are built anew from a list of records, so that what
// the store makes of deltas is compared with something made without them.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dns/rdata.h"
#include "store/store_fixture.h"
#include "zone/delta.h"
#include "zone/history.h"

namespace understudy::store_fixture {

using DeltaPtr = std::shared_ptr<const ZoneDelta>;

class ChangingZone {
 public:
  explicit ChangingZone(const std::string& apex, std::uint32_t seed = 1, std::uint32_t serial = 1)
      : apex_(name(apex)), random_(seed), serial_(serial) {}

  [[nodiscard]] std::uint32_t serial() const { return serial_; }
  [[nodiscard]] NameView apex() const { return apex_; }

  /// So many names with an address each, before the first version is taken.
  ChangingZone& with_hosts(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) hosts_.push_back(new_host(16));
    return *this;
  }
  /// Some records of 60,000 octets each: the version is stored as a large one if there are ten or more.
  ChangingZone& with_weights(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) hosts_.push_back(new_host(60'000));
    return *this;
  }

  /// The version with the serial of now.
  [[nodiscard]] std::shared_ptr<const Zone> version() const {
    ZoneBuilder builder(apex_);
    EXPECT_TRUE(builder.add(apex_, RRType::SOA, 3600, soa_rdata(apex_, serial_)));
    EXPECT_TRUE(builder.add(apex_, RRType::NS, 3600, apex_.wire()));
    for (const Host& host : hosts_) EXPECT_TRUE(builder.add(host.owner, host_type, 60, host.rdata));
    return builder.finish().value();
  }

  /// Removes a record and adds another of `octets` octets; the serial goes up by one.
  DeltaPtr change(std::size_t octets = 16) {
    ZoneDeltaBuilder builder(apex_);
    builder.remove(apex_, RRType::SOA, 3600, soa_rdata(apex_, serial_));
    builder.add(apex_, RRType::SOA, 3600, soa_rdata(apex_, ++serial_));
    if (!hosts_.empty()) {
      const std::size_t gone = random_.below(static_cast<std::uint32_t>(hosts_.size()));
      builder.remove(hosts_[gone].owner, host_type, 60, hosts_[gone].rdata);
      hosts_[gone] = std::move(hosts_.back());
      hosts_.pop_back();
    }
    for (std::size_t left = octets; left > 0;) {
      const std::size_t size = std::min<std::size_t>(left, 60'000);
      hosts_.push_back(new_host(size));
      builder.add(hosts_.back().owner, host_type, 60, hosts_.back().rdata);
      left -= size;
    }
    return builder.finish().value();
  }

  /// The commit that `count` changes in a row make.
  Commit next_commit(std::size_t count = 1, HistoryLimits keep = {}, bool whole = false, std::size_t octets = 16) {
    Commit commit;
    for (std::size_t i = 0; i < count; ++i) commit.deltas.push_back(change(octets));
    commit.version = version();
    commit.timers.expire_at = serial_;
    commit.source = "192.0.2.1@53";
    commit.whole = whole;
    commit.keep = keep;
    return commit;
  }

 private:
  struct Host {
    Name owner;
    Bytes rdata;
  };

  Host new_host(std::size_t octets) {
    const Name owner = Name::prepend(view_of("h" + std::to_string(next_host_++)), apex_).value();
    Bytes rdata(octets);
    for (std::uint8_t& octet : rdata) octet = static_cast<std::uint8_t>(random_.below(256));
    return {owner, std::move(rdata)};
  }

  static constexpr auto host_type = static_cast<RRType>(65281);
  Name apex_;
  RandomZones random_;
  std::uint32_t serial_;
  std::uint32_t next_host_ = 0;
  std::vector<Host> hosts_;
};

inline void expect_same_records(const std::shared_ptr<const Zone>& version,
                                const std::shared_ptr<const Zone>& expected) {
  EXPECT_EQ(version->serial(), expected->serial());
  EXPECT_EQ(version->node_count(), expected->node_count());
  EXPECT_EQ(version->record_count(), expected->record_count());
  EXPECT_TRUE(zone_fixture::sorted_text(content(version)) == zone_fixture::sorted_text(content(expected)))
      << "records of " << expected->apex().text() << " differ";
}

inline bool same_octets(const ZoneDelta& a, const ZoneDelta& b) {
  return std::ranges::equal(a.wire(), b.wire());
}

/// The store has `expected`, and exactly `history` as its history.
inline void expect_loads(const ZoneStore& store, const std::shared_ptr<const Zone>& expected,
                         const std::vector<DeltaPtr>& history) {
  const auto loaded = store.load(expected->apex());
  ASSERT_TRUE(loaded) << loaded.error().text();
  expect_same_records(loaded->version, expected);
  const auto deltas = loaded->history->deltas();
  ASSERT_EQ(deltas.size(), history.size());
  for (std::size_t i = 0; i < deltas.size(); ++i) EXPECT_TRUE(same_octets(*deltas[i], *history[i])) << "delta " << i;
}

inline std::vector<DeltaPtr> newest(const std::vector<DeltaPtr>& deltas, std::size_t count) {
  return {deltas.end() - static_cast<std::ptrdiff_t>(std::min(count, deltas.size())), deltas.end()};
}

}  // namespace understudy::store_fixture
