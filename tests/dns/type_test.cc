#include "dns/type.h"

#include <gtest/gtest.h>

namespace understudy {
namespace {

TEST(Type, Mnemonics) {
  struct Case {
    RRType type;
    std::string_view text;
  };
  const Case cases[] = {
      {RRType::A, "A"},
      {RRType::NS, "NS"},
      {RRType::CNAME, "CNAME"},
      {RRType::SOA, "SOA"},
      {RRType::PTR, "PTR"},
      {RRType::HINFO, "HINFO"},
      {RRType::MX, "MX"},
      {RRType::TXT, "TXT"},
      {RRType::RP, "RP"},
      {RRType::AFSDB, "AFSDB"},
      {RRType::X25, "X25"},
      {RRType::ISDN, "ISDN"},
      {RRType::RT, "RT"},
      {RRType::NSAP, "NSAP"},
      {RRType::NSAP_PTR, "NSAP-PTR"},
      {RRType::PX, "PX"},
      {RRType::AAAA, "AAAA"},
      {RRType::LOC, "LOC"},
      {RRType::SRV, "SRV"},
      {RRType::NAPTR, "NAPTR"},
      {RRType::KX, "KX"},
      {RRType::CERT, "CERT"},
      {RRType::DNAME, "DNAME"},
      {RRType::OPT, "OPT"},
      {RRType::APL, "APL"},
      {RRType::DS, "DS"},
      {RRType::SSHFP, "SSHFP"},
      {RRType::IPSECKEY, "IPSECKEY"},
      {RRType::RRSIG, "RRSIG"},
      {RRType::NSEC, "NSEC"},
      {RRType::DNSKEY, "DNSKEY"},
      {RRType::DHCID, "DHCID"},
      {RRType::NSEC3, "NSEC3"},
      {RRType::NSEC3PARAM, "NSEC3PARAM"},
      {RRType::TLSA, "TLSA"},
      {RRType::SMIMEA, "SMIMEA"},
      {RRType::HIP, "HIP"},
      {RRType::CDS, "CDS"},
      {RRType::CDNSKEY, "CDNSKEY"},
      {RRType::OPENPGPKEY, "OPENPGPKEY"},
      {RRType::CSYNC, "CSYNC"},
      {RRType::ZONEMD, "ZONEMD"},
      {RRType::SVCB, "SVCB"},
      {RRType::HTTPS, "HTTPS"},
      {RRType::SPF, "SPF"},
      {RRType::NID, "NID"},
      {RRType::L32, "L32"},
      {RRType::L64, "L64"},
      {RRType::LP, "LP"},
      {RRType::EUI48, "EUI48"},
      {RRType::EUI64, "EUI64"},
      {RRType::TKEY, "TKEY"},
      {RRType::TSIG, "TSIG"},
      {RRType::IXFR, "IXFR"},
      {RRType::AXFR, "AXFR"},
      {RRType::ANY, "ANY"},
      {RRType::URI, "URI"},
      {RRType::CAA, "CAA"},
      {RRType::AMTRELAY, "AMTRELAY"},
      {RRType::DLV, "DLV"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(type_text(c.type), c.text);
    EXPECT_EQ(type_from_text(c.text), c.type) << c.text;
  }
}

TEST(Type, EveryNumberRoundTrips) {
  for (unsigned i = 0; i <= 0xffff; ++i) {
    const auto type = static_cast<RRType>(i);
    ASSERT_EQ(type_from_text(type_text(type)), type) << type_text(type);
    ASSERT_EQ(type_from_text("TYPE" + std::to_string(i)), type);
  }
}

TEST(Type, WithoutCase) {
  EXPECT_EQ(type_from_text("aaaa"), RRType::AAAA);
  EXPECT_EQ(type_from_text("Nsec3Param"), RRType::NSEC3PARAM);
  EXPECT_EQ(type_from_text("type65280"), static_cast<RRType>(65280));
  EXPECT_EQ(type_text(static_cast<RRType>(65280)), "TYPE65280");
}

TEST(Type, OtherTextIsNoType) {
  for (const char* text :
       {"", "AAAAA", "TYPE", "TYPE65536", "TYPE-1", "TYPE1x", "TYPE 1", "1", "CLASS1", "*", "NSEC3PARAMNSEC3PARAM"}) {
    EXPECT_EQ(type_from_text(text), std::nullopt) << text;
  }
}

TEST(Type, MetaTypes) {
  for (const RRType type : {RRType::OPT, RRType::TKEY, RRType::TSIG, RRType::IXFR, RRType::AXFR, RRType::ANY,
                            static_cast<RRType>(0), static_cast<RRType>(128)}) {
    EXPECT_TRUE(is_meta_type(type)) << type_text(type);
  }
  for (const RRType type : {RRType::A, RRType::SPF, RRType::URI, RRType::DLV, static_cast<RRType>(127)}) {
    EXPECT_FALSE(is_meta_type(type)) << type_text(type);
  }
}

TEST(Class, BothWays) {
  EXPECT_EQ(class_text(RRClass::IN), "IN");
  EXPECT_EQ(class_text(RRClass::CH), "CH");
  EXPECT_EQ(class_text(RRClass::HS), "HS");
  EXPECT_EQ(class_text(RRClass::NONE), "NONE");
  EXPECT_EQ(class_text(RRClass::ANY), "ANY");
  EXPECT_EQ(class_text(static_cast<RRClass>(32)), "CLASS32");
  EXPECT_EQ(class_from_text("in"), RRClass::IN);
  EXPECT_EQ(class_from_text("Chaos"), RRClass::CH);
  EXPECT_EQ(class_from_text("HESIOD"), RRClass::HS);
  EXPECT_EQ(class_from_text("class32"), static_cast<RRClass>(32));
  EXPECT_EQ(class_from_text("CLASS1"), RRClass::IN);
  for (const char* text : {"", "INN", "CLASS", "CLASS65536", "3600", "TYPE1"}) {
    EXPECT_EQ(class_from_text(text), std::nullopt) << text;
  }
}

TEST(Rcode, Text) {
  EXPECT_EQ(rcode_text(Rcode::NOERROR), "NOERROR");
  EXPECT_EQ(rcode_text(Rcode::SERVFAIL), "SERVFAIL");
  EXPECT_EQ(rcode_text(Rcode::NOTAUTH), "NOTAUTH");
  EXPECT_EQ(rcode_text(Rcode::BADVERS), "BADVERS");
  EXPECT_EQ(rcode_text(Rcode::BADCOOKIE), "BADCOOKIE");
  EXPECT_EQ(rcode_text(static_cast<Rcode>(12)), "RCODE12");
  EXPECT_EQ(rcode_text(static_cast<Rcode>(3841)), "RCODE3841");
}

TEST(Opcode, Text) {
  EXPECT_EQ(opcode_text(Opcode::QUERY), "QUERY");
  EXPECT_EQ(opcode_text(Opcode::NOTIFY), "NOTIFY");
  EXPECT_EQ(opcode_text(Opcode::UPDATE), "UPDATE");
  EXPECT_EQ(opcode_text(static_cast<Opcode>(3)), "OPCODE3");
}

}  // namespace
}  // namespace understudy
