// What the tests of the store share: a folder that goes away, random zones, and stores that must open.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "store/format.h"
#include "store/zone_store.h"
#include "zone/builder.h"
#include "zone/zone_fixture.h"

namespace understudy::store_fixture {

using zone_fixture::content;
using zone_fixture::name;

/// A new folder, in memory where the machine has a file system for that: the tests sync often.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    const bool in_memory = ::access("/dev/shm", W_OK | X_OK) == 0;
    std::string pattern = (in_memory ? std::string("/dev/shm") : std::filesystem::temp_directory_path().string()) +
                          "/understudy-store-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) ADD_FAILURE() << "cannot make " << pattern;
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& file) const { return path_ + "/" + file; }

 private:
  std::string path_;
};

inline Bytes soa_rdata(NameView apex, std::uint32_t serial) {
  Bytes rdata;
  append(rdata, apex.wire());
  append(rdata, apex.wire());
  for (const std::uint32_t value : {serial, 3600U, 600U, 1209600U, 300U}) append_u32(rdata, value);
  return rdata;
}

/// A zone with SOA, NS and one address whose octets tell the serial.
inline std::shared_ptr<const Zone> small_zone(NameView apex, std::uint32_t serial) {
  ZoneBuilder builder(apex);
  Bytes address;
  append_u32(address, serial);
  EXPECT_TRUE(builder.add(apex, RRType::SOA, 3600, soa_rdata(apex, serial)));
  EXPECT_TRUE(builder.add(apex, RRType::NS, 3600, apex.wire()));
  EXPECT_TRUE(builder.add(apex, RRType::A, 3600, address));
  return builder.finish().value();
}

inline std::shared_ptr<const Zone> small_zone(const std::string& apex, std::uint32_t serial) {
  return small_zone(name(apex), serial);
}

/// Random zones. The same seed makes the same zones.
class RandomZones {
 public:
  explicit RandomZones(std::uint32_t seed) : random_(seed) {}

  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_()) % limit; }

  /// A zone that is stored as a large version, made quickly: a few names, and some records of 60,000 octets.
  std::shared_ptr<const Zone> large_zone(const std::string& apex_text, std::uint32_t serial) {
    const Name apex = name(apex_text);
    ZoneBuilder builder(apex);
    add(builder, apex, RRType::SOA, 3600, soa_rdata(apex, serial));
    add(builder, apex, RRType::NS, 3600, apex.wire());
    for (int i = 0; i < 5; ++i) add_owner(builder, random_name(apex), apex);
    for (int i = 0; i < 10; ++i) {
      Bytes rdata(60'000, static_cast<std::uint8_t>(random_()));
      append_u32(rdata, static_cast<std::uint32_t>(random_()));
      add(builder, random_name(apex), static_cast<RRType>(65281), 60, rdata);
    }
    return builder.finish().value();
  }

  /// About `owners` names with RRsets of many types and sizes, some signed, some with nothing but signatures.
  std::shared_ptr<const Zone> zone(const std::string& apex_text, std::uint32_t serial, std::size_t owners) {
    const Name apex = name(apex_text);
    ZoneBuilder builder(apex);
    add(builder, apex, RRType::SOA, 3600, soa_rdata(apex, serial));
    add(builder, apex, RRType::NS, 3600, random_name(apex).wire());
    add_signature(builder, apex, RRType::SOA, apex);
    for (std::size_t i = 0; i < owners; ++i) add_owner(builder, random_name(apex), apex);
    return builder.finish().value();
  }

 private:
  void add(ZoneBuilder& builder, NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) {
    EXPECT_TRUE(builder.add(owner, type, ttl, rdata));
  }

  void add_owner(ZoneBuilder& builder, const Name& owner, const Name& apex) {
    const std::uint32_t ttl = below(4) == 0 ? static_cast<std::uint32_t>(random_()) & 0x7fff'ffff : 3600;
    const std::uint32_t kinds = 1 + below(4);
    for (std::uint32_t k = 0; k < kinds; ++k) {
      const RRType type = types[below(std::size(types))];
      const std::uint32_t count = below(50) == 0 ? 1 + below(40) : 1 + below(3);
      for (std::uint32_t n = 0; n < count; ++n) add(builder, owner, type, ttl, rdata(type, apex));
      if (below(3) == 0) add_signature(builder, owner, type, apex);
    }
    if (below(20) == 0) add_signature(builder, owner, RRType::SRV, apex);
  }

  void add_signature(ZoneBuilder& builder, const Name& owner, RRType covered, const Name& apex) {
    Bytes signature;
    append_u16(signature, number(covered));
    append_u16(signature, 0x0d02);
    for (int i = 0; i < 3; ++i) append_u32(signature, static_cast<std::uint32_t>(random_()));
    append_u16(signature, 4711);
    append(signature, apex.wire());
    append(signature, octets(64));
    add(builder, owner, RRType::RRSIG, 60 + below(3), signature);
  }

  Bytes rdata(RRType type, const Name& apex) {
    Bytes out;
    switch (type) {
      case RRType::A:
        return octets(4);
      case RRType::AAAA:
        return octets(16);
      case RRType::MX:
        append_u16(out, 10);
        [[fallthrough]];
      case RRType::NS:
      case RRType::PTR:
        append(out, random_name(apex).wire());
        return out;
      case RRType::TXT:
        for (std::uint32_t strings = 1 + below(3); strings > 0; --strings) {
          const std::size_t size = below(256);
          append_u8(out, static_cast<std::uint8_t>(size));
          append(out, octets(size));
        }
        return out;
      default:
        return octets(1 + (below(60) == 0 ? below(65535) : below(40)));  // opaque
    }
  }

  Name random_name(const Name& apex) {
    Name result = apex;
    for (std::uint32_t labels = 1 + below(3); labels > 0; --labels) {
      Bytes label = octets(below(30) == 0 ? 1 + below(63) : 1 + below(6));
      if (below(5) != 0) {
        for (std::uint8_t& octet : label) octet = static_cast<std::uint8_t>("aBcDeXyZ01-_"[octet % 12]);
      }
      if (auto longer = Name::prepend(label, result)) result = *longer;
    }
    return result;
  }

  Bytes octets(std::size_t size) {
    Bytes out(size);
    for (std::uint8_t& octet : out) octet = static_cast<std::uint8_t>(random_());
    return out;
  }

  static constexpr RRType types[] = {
      RRType::A, RRType::AAAA, RRType::MX, RRType::NS, RRType::PTR, RRType::TXT, static_cast<RRType>(65280)};
  std::mt19937 random_;
};

inline std::unique_ptr<ZoneStore> open_store(const std::string& directory) {
  auto store = ZoneStore::open(directory);
  EXPECT_TRUE(store) << store.error().text();
  return store ? std::move(*store) : nullptr;
}

/// The stored zones; damage is a failure of the test.
inline std::vector<StoredZone> list(const ZoneStore& store) {
  auto zones = store.list([](const std::string& damage) { ADD_FAILURE() << damage; });
  EXPECT_TRUE(zones) << zones.error().text();
  return zones ? std::move(*zones) : std::vector<StoredZone>{};
}

inline void expect_stored(const ZoneStore& store, const std::shared_ptr<const Zone>& expected) {
  const auto loaded = store.load(expected->apex());
  ASSERT_TRUE(loaded) << loaded.error().text();
  const std::shared_ptr<const Zone>& version = loaded->version;
  EXPECT_TRUE(version->apex().identical(expected->apex()));
  EXPECT_EQ(version->serial(), expected->serial());
  EXPECT_EQ(version->node_count(), expected->node_count());
  EXPECT_TRUE(content(version) == content(expected)) << "records of " << expected->apex().text() << " differ";
}

/// Reading all of these zones at once, in whatever order, says what reading each alone does.
inline void expect_read_as_alone(const ZoneStore& store, std::span<const Name> zones) {
  std::vector<NameView> in_order(zones.begin(), zones.end()), as_they_come = in_order;
  std::ranges::transform(ZoneStore::reading_order(as_they_come), in_order.begin(),
                         [&](std::uint32_t index) { return as_they_come[index]; });
  EXPECT_TRUE(std::ranges::is_sorted(in_order, {}, head_key));
  for (const auto& names : {as_they_come, in_order}) {
    const auto found = store.read_all(names);
    ASSERT_EQ(found.size(), names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto head = store.find(names[i]);
      const auto loaded = store.load(names[i]);
      SCOPED_TRACE(names[i].text());
      if (!found[i] || !*found[i]) {
        ASSERT_FALSE(loaded);
        EXPECT_EQ(found[i] ? Errc::not_found : found[i].error().code, loaded.error().code);
        continue;
      }
      const FoundZone& zone = **found[i];
      ASSERT_TRUE(head && *head);
      EXPECT_TRUE(zone.stored.name.view().identical((*head)->name));
      EXPECT_EQ(zone.stored.serial, (*head)->serial);
      EXPECT_EQ(zone.stored.records, (*head)->records);
      EXPECT_EQ(zone.stored.source, (*head)->source);
      EXPECT_EQ(zone.stored.timers, (*head)->timers);
      if (!zone.loaded) continue;
      ASSERT_TRUE(loaded);
      EXPECT_TRUE(content(zone.loaded->version) == content(loaded->version));
      EXPECT_EQ(zone.loaded->history->size(), loaded->history->size());
    }
  }
}

/// Moves what is in the log of the database at `path` into a table file.
inline void flush_log(const std::string& path) {
  // RocksDB's defaults do that when a database is opened.
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {{"default", {}}, {"large", {}}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* database = nullptr;
  const auto status = rocksdb::DB::Open(rocksdb::DBOptions(), path, families, &handles, &database);
  ASSERT_TRUE(status.ok()) << status.ToString();
  for (rocksdb::ColumnFamilyHandle* handle : handles) database->DestroyColumnFamilyHandle(handle);
  delete database;
}

inline Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, ByteView octets) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(octets.data()), static_cast<std::streamsize>(octets.size()));
  EXPECT_TRUE(file.good()) << path;
}

}  // namespace understudy::store_fixture
