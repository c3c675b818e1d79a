#include "answer/cookies.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include "answer/answer_fixture.h"
#include "base/encoding.h"

namespace understudy {
namespace {

using namespace answer_fixture;

SipKey secret(std::string_view hex) {
  return SipKey::from(hex_decode(hex).value());
}

// The content of the option that comes back, in hex, with what was thought of the client's.
std::string answered(const CookieSecrets& secrets, std::string_view option, std::string_view address,
                     std::uint32_t now) {
  const IpAddress from = IpAddress::parse(address).value();
  Bytes out(whole_cookie_size);
  const CookieVerdict verdict = secrets.answer(hex_decode(option).value(), from.bytes(), now, out.data());
  const char* const words[] = {"none", "client only", "good", "bad"};
  return std::string(words[static_cast<int>(verdict)]) + " " + hex_encode(out);
}

// RFC 9018 appendix A.
constexpr std::string_view rfc_secret = "e5e973e5a6b2a43f48e7dc849e37bfcf";

TEST(Rfc9018AppendixA, A1LearningANewServerCookie) {
  EXPECT_EQ(answered(CookieSecrets({secret(rfc_secret)}), "2464c4abcf10c957", "198.51.100.100", 1559731985),
            "client only 2464c4abcf10c957010000005cf79f111f8130c3eee29480");
}

TEST(Rfc9018AppendixA, A2TheSameClientLearningARenewedServerCookie) {
  EXPECT_EQ(answered(CookieSecrets({secret(rfc_secret)}), "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
                     "198.51.100.100", 1559734385),
            "good 2464c4abcf10c957010000005cf7a871d4a564a1442aca77");
}

TEST(Rfc9018AppendixA, A3AnotherClientLearningARenewedServerCookie) {
  // The appendix has the query come when the cookie is 6,715 s old, which section 4.3 does not accept; what comes back
  // is the appendix's either way.
  EXPECT_EQ(answered(CookieSecrets({secret(rfc_secret)}), "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                     "203.0.113.203", 1559734700),
            "bad fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e");
}

TEST(Rfc9018AppendixA, A3ReservedOctetsAreHashedAsReceived) {
  EXPECT_TRUE(answered(CookieSecrets({secret(rfc_secret)}), "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5",
                       "203.0.113.203", 1559727985 + 3600)
                  .starts_with("good fc93fc62807ddb8601000000"));
}

TEST(Rfc9018AppendixA, A4Ipv6QueryWithRolledOverSecret) {
  const CookieSecrets rolled({secret("445536bcd2513298075a5d379663c962"), secret("dd3bdf9344b678b185a6f5cb60fca715")});
  EXPECT_EQ(answered(rolled, "22681ab97d52c298010000005cf7c57926556bd0934c72f8", "2001:db8:220:1:59de:d0f4:8769:82b8",
                     1559741961),
            "good 22681ab97d52c298010000005cf7c609a6bb79d16625507a");
}

class CookiesTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t start = 1'700'000'000;
  CookieSecrets secrets_{{secret(rfc_secret)}};

  [[nodiscard]] std::string made_at(std::uint32_t now, const char* address = "192.0.2.1") const {
    return answered(secrets_, "0102030405060708", address, now).substr(12);
  }
  [[nodiscard]] std::string verdict(const std::string& option, std::uint32_t now,
                                    const char* address = "192.0.2.1") const {
    const std::string out = answered(secrets_, option, address, now);
    return out.substr(0, out.rfind(' ')) + (out.ends_with(option) ? ", kept" : ", new");
  }
};

TEST_F(CookiesTest, IsGoodFromFiveMinutesAheadToAnHourAndRenewedAfterHalf) {
  const std::string cookie = made_at(start);
  EXPECT_EQ(verdict(cookie, start), "good, kept");
  EXPECT_EQ(verdict(cookie, start + 1800), "good, kept");
  EXPECT_EQ(verdict(cookie, start + 1801), "good, new");
  EXPECT_EQ(verdict(cookie, start + 3600), "good, new");
  EXPECT_EQ(verdict(cookie, start + 3601), "bad, new");
  EXPECT_EQ(verdict(cookie, start - 300), "good, kept");
  EXPECT_EQ(verdict(cookie, start - 301), "bad, new");
}

TEST_F(CookiesTest, TheClockMayPassTheEndOf32Bits) {
  const std::string cookie = made_at(0xffff'fff0U);
  EXPECT_EQ(verdict(cookie, 0x10U), "good, kept");
}

TEST_F(CookiesTest, BelongsToOneAddress) {
  const std::string cookie = made_at(start);
  EXPECT_EQ(verdict(cookie, start, "192.0.2.2"), "bad, new");
  EXPECT_EQ(verdict(made_at(start, "2001:db8::1"), start, "2001:db8::2"), "bad, new");
}

TEST_F(CookiesTest, EveryOctetCounts) {
  const Bytes cookie = hex_decode(made_at(start)).value();
  for (std::size_t i = 0; i < cookie.size(); ++i) {
    Bytes other = cookie;
    other[i] ^= 0x10;
    EXPECT_TRUE(verdict(hex_encode(other), start).starts_with("bad")) << i;
  }
}

TEST_F(CookiesTest, OtherSizesAndVersionsAreBad) {
  const std::string cookie = made_at(start);
  EXPECT_EQ(verdict(cookie + "00", start), "bad, new");
  EXPECT_EQ(verdict(cookie.substr(0, 46), start), "bad, new");
  EXPECT_EQ(verdict(cookie.substr(0, 32), start), "bad, new");
  EXPECT_EQ(verdict(cookie.substr(0, 16) + "02" + cookie.substr(18), start), "bad, new");
}

TEST(CookieAddressTest, Ipv4InIpv6IsIpv4) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
  v6.sin6_addr.s6_addr[15] = 9;
  const ByteView mapped = cookie_address(reinterpret_cast<const sockaddr*>(&v6));
  EXPECT_EQ(Bytes(mapped.begin(), mapped.end()), (Bytes{0, 0, 0, 9}));
  v6.sin6_addr.s6_addr[0] = 0x20;
  EXPECT_EQ(cookie_address(reinterpret_cast<const sockaddr*>(&v6)).size(), 16U);
}

}  // namespace
}  // namespace understudy
