// RDATA text: spellings that mean the same, and mistakes with what was expected.
#include "dns/rdata_parse.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "dns/rdata.h"

namespace understudy {
namespace {

/// "MX" and text, with origin example.
Result<Bytes> parse(std::string_view type, std::string_view text) {
  return parse_rdata(type_from_text(type).value(), text, Name::parse("example.").value());
}

TEST(RdataParse, TextThatMeansWhatAnotherTextMeans) {
  struct Case {
    const char *type, *one, *other;
  };
  constexpr Case cases[] = {
      {"MX", "10 mail", "10 mail.example."},
      {"MX", "10 @", "10 example."},
      {"SOA", "a b 1 1h 15m 1w 1D", "a b 1 3600 900 604800 86400"},
      {"SOA", "a b 1 1w2d3h4m5s 2 3 4", "a b 1 788645 2 3 4"},
      {"TXT", "abc", "\"abc\""},
      {"TXT", "\"a;b (c)\"", "a\\;b\\ \\(c\\)"},
      {"TXT", "\\065\\066", "\"AB\""},
      {"TXT", "foo=\"bar\"", "\"foo=\" \"bar\""},
      {"TXT", "( a ; comment\n b )", "a b"},
      {"DS", "1 RSASHA256 2 AABB CCdd", "1 8 2 aabbccdd"},
      {"DS", "1 8 2 aab bcc dd", "1 8 2 aabbccdd"},
      {"DNSKEY", "256 3 ED25519 AQ ID", "256 3 15 AQID"},
      {"RRSIG", "A 8 2 3600 1700000000 1600000000 1 . AA==", "A 8 2 3600 20231114221320 20200913122640 1 . AA=="},
      {"NSEC", ". TXT A TYPE1 MX", ". A MX TXT"},
      {"CERT", "PGP 0 0 AQID", "3 0 0 AQID"},
      {"NSEC3", "1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr"},
      {"NSAP", "0x47.0005.80", "0x47000580"},
      {"LOC", "52 N 4 E 0", "52 0 0 N 4 0 0 E 0m 1m 10000m 10m"},
      {"LOC", "52 22 N 4 53 E -2.5m 0.5", "52 22 0.000 n 4 53 0.000 e -2.50m 0.50m"},
      {"L64", "10 2001:db8:0:1", "10 2001:0db8:0000:0001"},
      {"AAAA", "::", "0:0:0:0:0:0:0:0"},
      {"SVCB", "1 . port=443 alpn=h2", "1 . alpn=h2 port=443"},
      {"SVCB", "1 . alpn=\"h2,h3\"", "1 . alpn=h2,h3"},
      {"SVCB", "1 . key3=\\001\\187", "1 . port=443"},
      {"SVCB", "1 . key667=", "1 . key667"},
      {"CAA", "0 issue ca.example", "0 issue \"ca.example\""},
      {"TYPE65280", "\\# 3 01 02 03", "\\# 3 010203"},
      {"A", "\\# 4 C0000201", "192.0.2.1"},
      {"IPSECKEY", "10 0 0 .", "\\# 3 0a0000"},
  };
  for (const Case& c : cases) {
    const auto one = parse(c.type, c.one);
    const auto other = parse(c.type, c.other);
    ASSERT_TRUE(one) << c.type << " " << c.one << ": " << one.error().text();
    ASSERT_TRUE(other) << c.type << " " << c.other << ": " << other.error().text();
    EXPECT_EQ(hex_encode(*one), hex_encode(*other)) << c.type << " " << c.one;
  }
}

TEST(RdataParse, MistakesInTextSayWhatWasExpected) {
  struct Case {
    const char *type, *text, *error;
  };
  constexpr Case cases[] = {
      {"A", "", "expected an IPv4 address, found the end of the line"},
      {"A", "192.0.2.256", "expected an IPv4 address, found \"192.0.2.256\""},
      {"A", "192.0.2", "expected an IPv4 address, found \"192.0.2\""},
      {"A", "192.0.2.01", "expected an IPv4 address, found \"192.0.2.01\""},
      {"A", "192.0.2.1 x", "expected the end of the record, found \"x\""},
      {"AAAA", "2001:db8", "expected an IPv6 address, found \"2001:db8\""},
      {"AAAA", "1:2:3:4:5:6:7:8:9", "expected an IPv6 address"},
      {"MX", "65536 a.", "expected a number of 0 to 65535, found \"65536\""},
      {"MX", "10", "expected a domain name, found the end of the line"},
      {"MX", "10 a..b", "expected a domain name (an empty label), found \"a..b\""},
      {"NS", "a..b.", "expected a domain name ("},
      {"TXT", "", "expected a string of at most 255 octets, found the end of the line"},
      {"TXT", "\\256", "expected a string of at most 255 octets, found \"\\256\""},
      {"TXT", "\"abc", "expected a closing quote for the one in column 1, found the end of the file"},
      {"TXT", "( a", "expected a closing parenthesis for the one in line 1 column 1"},
      {"TXT", "a )", "expected an opening parenthesis before it"},
      {"SOA", "a. b. 1 2 3 4", "expected seconds or a period like 1h30m, found the end of the line"},
      {"SOA", "a. b. 1 2x 3 4 5", "expected seconds or a period like 1h30m, found \"2x\""},
      {"DS", "1 8 2 0g", "expected hexadecimal digits, found \"0g\""},
      {"DS", "1 8 2 abc", "expected one more hexadecimal digit, found the end of the line"},
      {"DS", "1 8 2 \"\"", "expected hexadecimal digits"},
      {"DS", "1 FOO 2 ab", "expected an algorithm number of 0 to 255 or its mnemonic, found \"FOO\""},
      {"DNSKEY", "256 3 8", "expected data in base64, found the end of the line"},
      {"DNSKEY", "256 3 8 AQI", "expected more data in base64, whose length is a multiple of four"},
      {"DHCID", "\"\"", "expected data in base64"},
      {"NSEC", ". FOO", "expected a record type, found \"FOO\""},
      {"NSEC3", "1 0 0 xx", "expected at most 255 octets in hexadecimal, or -, found \"xx\""},
      {"RRSIG", "A 8 2 1 20230230000000", "expected a time as YYYYMMDDHHMMSS"},
      {"RRSIG", "A 8 2 1 21070101000000", "expected a time as YYYYMMDDHHMMSS"},
      {"LOC", "91 N 0 E 0", "expected degrees of 0 to 90, found \"91\""},
      {"LOC", "90 0 0.001 N 0 E 0", "expected at most 90 degrees before this, found \"N\""},
      {"LOC", "1 60 N 0 E 0", "expected minutes of 0 to 59, or N or S, found \"60\""},
      {"APL", "1:192.0.2.0/33", "expected an address prefix like"},
      {"APL", "3:192.0.2.0/24", "expected an address prefix like"},
      {"IPSECKEY", "1 4 1 . AQID", "expected a gateway type of 0 to 3, found \"4\""},
      {"IPSECKEY", "1 0 1 a. AQID", "expected a dot, as gateway type 0 means none, found \"a.\""},
      {"AMTRELAY", "1 2 0 .", "expected 0 or 1, found \"2\""},
      {"CAA", "0 is-sue x", "expected a tag of letters and digits, found \"is-sue\""},
      {"EUI48", "00-00-5e-00-53", "expected six pairs of hexadecimal digits"},
      {"EUI48", "00:00:5e:00:53:2a", "expected six pairs of hexadecimal digits"},
      {"NID", "1 ::1:2", "expected 64 bits as four groups"},
      {"NID", "1 1:2:3:4:5", "expected 64 bits as four groups"},
      {"SVCB", "1 . port=x", "expected a number of 0 to 65535 for port, found \"port=x\""},
      {"SVCB", "1 . port=1 port=2", "expected port only once, found \"port=2\""},
      {"SVCB", "1 . mandatory=alpn", "expected alpn, which is mandatory here, found the end of the line"},
      {"SVCB", "1 . mandatory=mandatory", "expected a list of keys like alpn,port, each once"},
      {"SVCB", "1 . alpn=h2,,h3", "expected a list of protocols"},
      {"SVCB", "1 . no-default-alpn=x", "expected no value for no-default-alpn"},
      {"SVCB", "1 . foo=bar", "expected a parameter like port=443, found \"foo=bar\""},
      {"SVCB", "1 . key01=a", "expected a parameter like port=443"},
      {"SVCB", "1 . ipv4hint=\"1.2.3.4,x\"", "expected a list of IPv4 addresses for ipv4hint, found \"1.2.3.4,x\""},
      {"NULL", "abc", "expected \\# and a length, as the type has no text form of its own, found \"abc\""},
      {"TYPE65280", "\\# 3 0102", "expected 3 octets in hexadecimal (there are 2), found \"0102\""},
      {"A", "\\# 3 010203", "expected octets that are valid A data, found \"010203\""},
      {"A", "\\# 65536", "expected a length of 0 to 65535"},
  };
  for (const Case& c : cases) {
    const auto result = parse(c.type, c.text);
    ASSERT_FALSE(result) << c.type << " " << c.text;
    EXPECT_TRUE(result.error().detail.contains(c.error)) << c.type << " " << c.text << "\n  " << result.error().detail;
  }
}

TEST(RdataParse, LongStringsAreRefusedNotCut) {
  const std::string longest(255, 'x');
  EXPECT_TRUE(parse("TXT", longest));
  EXPECT_FALSE(parse("TXT", longest + "x"));
  EXPECT_TRUE(parse("CAA", "0 issue " + longest + longest));
  std::string huge;
  for (int i = 0; i < 256; ++i) huge += longest + " ";
  EXPECT_FALSE(parse("TXT", huge)) << "65536 octets";
}

TEST(RdataParse, Decimals) {
  EXPECT_EQ(parse_decimal("0", 10), 0U);
  EXPECT_EQ(parse_decimal("010", 10), 10U);
  EXPECT_EQ(parse_decimal("4294967295", 0xffff'ffffU), 4294967295U);
  for (const char* bad : {"", "11", "-1", "+1", "1 ", " 1", "0x1", "4294967296", "18446744073709551617"}) {
    EXPECT_FALSE(parse_decimal(bad, 10)) << bad;
  }
}

TEST(RdataParse, Periods) {
  EXPECT_EQ(parse_period("0"), 0U);
  EXPECT_EQ(parse_period("90"), 90U);
  EXPECT_EQ(parse_period("1W1D1H1M1S"), 694861U);
  EXPECT_EQ(parse_period("1h30"), 3630U);
  EXPECT_EQ(parse_period("4294967295s"), 4294967295U);
  for (const char* bad : {"", "h", "1x", "1hh", "-1", "4294967296", "7102w", "1.5h", "1h "}) {
    EXPECT_FALSE(parse_period(bad)) << bad;
  }
}

}  // namespace
}  // namespace understudy
