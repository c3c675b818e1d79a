// What the tests of zones share: records written as text, versions made of them, and versions taken apart again.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dns/rdata.h"
#include "dns/record.h"
#include "dns/zonefile.h"
#include "zone/builder.h"
#include "zone/zone.h"

namespace understudy::zone_fixture {

inline Name name(std::string_view text) {
  return Name::parse(text).value();
}

/// Records of zone file text, in its order.
inline std::vector<Record> records(std::string_view text, std::string_view origin = "example.") {
  std::vector<Record> out;
  const auto read = read_zone_text(text, "test", name(origin),
                                   [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
                                     out.push_back({owner, type, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())});
                                     return {};
                                   });
  EXPECT_TRUE(read) << read.error().text();
  return out;
}

inline Record record(std::string_view line, std::string_view origin = "example.") {
  return records(line, origin).at(0);
}

/// The least that a zone must have.
inline std::string apex_text() {
  return "@ 3600 IN SOA ns.example. admin.example. 1 7200 3600 1209600 300\n@ 3600 IN NS ns.example.\n";
}

inline void add_all(ZoneBuilder& builder, const std::vector<Record>& input) {
  for (const Record& r : input) ASSERT_TRUE(builder.add(r.owner, r.type, r.ttl, r.rdata)) << r.text();
}

/// The version made of `input`, in that order; null and a test failure if that does not work.
inline std::shared_ptr<const Zone> build(const std::vector<Record>& input, std::string_view apex = "example.",
                                         ZoneBuilder::Report* report = nullptr) {
  ZoneBuilder builder(name(apex), {.first_sets = 0});
  add_all(builder, input);
  auto zone = builder.finish();
  EXPECT_TRUE(zone) << zone.error().text();
  if (report != nullptr) *report = builder.report();
  return zone ? *zone : nullptr;
}

inline std::shared_ptr<const Zone> build(std::string_view text, std::string_view apex = "example.",
                                         ZoneBuilder::Report* report = nullptr) {
  return build(records(text, apex), apex, report);
}

/// Every record of the version, in the cursor's order, RRSIGs behind the RRset that they cover.
inline std::vector<Record> content(const std::shared_ptr<const Zone>& zone) {
  std::vector<Record> out;
  ZoneCursor cursor(zone);
  while (cursor.next()) {
    const RRsetView rrset = cursor.rrset();
    const std::uint32_t ttl = rrset.ttl();
    rrset.for_each_rdata([&](ByteView rdata) {
      out.push_back({cursor.owner(), rrset.type(), RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())});
    });
    rrset.for_each_signature([&](std::uint32_t own_ttl, ByteView rdata) {
      out.push_back({cursor.owner(), RRType::RRSIG, RRClass::IN, own_ttl, Bytes(rdata.begin(), rdata.end())});
    });
  }
  return out;
}

/// Lines of text in an order that does not depend on the records' order. The case of names is visible.
inline std::vector<std::string> sorted_text(const std::vector<Record>& list) {
  std::vector<std::string> out;
  out.reserve(list.size());
  for (const Record& r : list) out.push_back(r.text());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace understudy::zone_fixture
