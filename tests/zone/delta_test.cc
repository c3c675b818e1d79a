#include "zone/delta.h"

#include "zone/zone_fixture.h"

namespace understudy {
namespace {

using zone_fixture::name;
using zone_fixture::record;

std::string soa(unsigned serial) {
  return "@ 3600 IN SOA ns.example. admin.example. " + std::to_string(serial) + " 7200 3600 1209600 300";
}

std::shared_ptr<const ZoneDelta> delta(const std::vector<std::string>& removed, const std::vector<std::string>& added) {
  ZoneDeltaBuilder builder(name("example."));
  for (const auto& line : removed) {
    const Record r = record(line);
    builder.remove(r.owner, r.type, r.ttl, r.rdata);
  }
  for (const auto& line : added) {
    const Record r = record(line);
    builder.add(r.owner, r.type, r.ttl, r.rdata);
  }
  auto made = builder.finish();
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

std::vector<std::string> texts(const ZoneDelta& of) {
  std::vector<std::string> out;
  const auto text = [](char sign, const DeltaRecord& r) {
    return sign + Record{r.owner, r.type, RRClass::IN, r.ttl, Bytes(r.rdata.begin(), r.rdata.end())}.text();
  };
  of.for_each_removed([&](const DeltaRecord& r) { out.push_back(text('-', r)); });
  of.for_each_added([&](const DeltaRecord& r) { out.push_back(text('+', r)); });
  return out;
}

TEST(ZoneDelta, KeepsRecordsInTheirOrder) {
  const auto made = delta({soa(1), "Www 60 A 192.0.2.1", "Www 60 A 192.0.2.2", "www 60 AAAA 2001:db8::1"},
                          {soa(2), "a 60 TXT \"x\"", "b 60 TXT \"\""});
  EXPECT_EQ(made->from().value, 1U);
  EXPECT_EQ(made->to().value, 2U);
  EXPECT_EQ(made->removed_count(), 4U);
  EXPECT_EQ(made->added_count(), 3U);
  EXPECT_EQ(texts(*made),
            (std::vector<std::string>{"-example. 3600 IN SOA ns.example. admin.example. 1 7200 3600 1209600 300",
                                      "-Www.example. 60 IN A 192.0.2.1", "-Www.example. 60 IN A 192.0.2.2",
                                      "-www.example. 60 IN AAAA 2001:db8::1",
                                      "+example. 3600 IN SOA ns.example. admin.example. 2 7200 3600 1209600 300",
                                      "+a.example. 60 IN TXT \"x\"", "+b.example. 60 IN TXT \"\""}));
}

TEST(ZoneDelta, ComesBackFromItsWireForm) {
  const auto made = delta({soa(0xffff'ffff), "a 60 A 192.0.2.1"}, {soa(0), "a 60 A 192.0.2.2"});
  const auto again = ZoneDelta::from_wire(name("example."), made->wire());
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(texts(**again), texts(*made));
  EXPECT_EQ((*again)->from().value, 0xffff'ffffU);
  EXPECT_EQ((*again)->to().value, 0U);
}

TEST(ZoneDelta, DamagedWireFormIsRefusedOrIsAnotherDelta) {
  const auto made = delta({soa(1), "a 60 MX 5 m"}, {soa(2), "a 60 SRV 1 2 3 s"});
  const Bytes whole(made->wire().begin(), made->wire().end());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = ZoneDelta::from_wire(name("example."), ByteView(whole).first(size));
    if (cut) EXPECT_LT((*cut)->added_count(), made->added_count()) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const std::uint8_t by : {0x01, 0x80, 0xff}) {
      Bytes damaged = whole;
      damaged[at] ^= by;
      if (const auto read = ZoneDelta::from_wire(name("example."), damaged))
        texts(**read);  // whatever it is, it is sound
    }
  }
  EXPECT_FALSE(ZoneDelta::from_wire(name("other."), whole));
}

TEST(ZoneDelta, NeedsBothSoas) {
  for (const bool removes : {false, true}) {
    ZoneDeltaBuilder builder(name("example."));
    const Record r = record(soa(1));
    const Record other = record("a 60 A 192.0.2.1");
    if (removes) {
      builder.remove(r.owner, r.type, r.ttl, r.rdata);
      builder.add(other.owner, other.type, other.ttl, other.rdata);
    } else {
      builder.add(r.owner, r.type, r.ttl, r.rdata);
    }
    const auto made = builder.finish();
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::bad_delta);
  }
}

}  // namespace
}  // namespace understudy
