#include "base/address.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <unordered_set>

namespace understudy {
namespace {

TEST(IpAddress, ParsesAndPrints) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->text(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0::1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("::")->text(), "::");
  EXPECT_EQ(IpAddress::parse("192.0.2.1"), IpAddress::v4(192, 0, 2, 1));
  EXPECT_EQ(IpAddress::parse("::"), IpAddress::any_v6());
  EXPECT_EQ(IpAddress().text(), "0.0.0.0");
}

TEST(IpAddress, RefusesOtherText) {
  for (const std::string_view text : {"", "192.0.2", "192.0.2.256", "1.2.3.4 ", "fe80::1%lo", "example.com", "::g",
                                      "0001:0002:0003:0004:0005:0006:0007:0008:0009:0010:0011:0012"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
  EXPECT_EQ(IpAddress::parse("nowhere").error().detail, "'nowhere' is not an IP address");
}

TEST(IpAddress, MappedAddressIsTheV4Address) {
  EXPECT_EQ(IpAddress::parse("::ffff:192.0.2.1"), IpAddress::v4(192, 0, 2, 1));
  const Bytes mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  EXPECT_EQ(IpAddress::from_bytes(mapped), IpAddress::v4(192, 0, 2, 1));
  EXPECT_TRUE(IpAddress::parse("::fffe:192.0.2.1")->is_v6());
}

TEST(IpAddress, FromBytesWantsFourOrSixteen) {
  const Bytes octets(16, 1);
  EXPECT_TRUE(IpAddress::from_bytes(ByteView(octets).first(4)));
  EXPECT_TRUE(IpAddress::from_bytes(octets));
  EXPECT_FALSE(IpAddress::from_bytes(ByteView(octets).first(5)));
  EXPECT_FALSE(IpAddress::from_bytes({}));
}

TEST(IpAddress, Kinds) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("1::1")->is_loopback());
  EXPECT_TRUE(IpAddress().is_unspecified());
  EXPECT_TRUE(IpAddress::any_v6().is_unspecified());
  EXPECT_FALSE(IpAddress::v4(0, 0, 0, 1).is_unspecified());
  EXPECT_EQ(IpAddress().af(), AF_INET);
  EXPECT_EQ(IpAddress::any_v6().af(), AF_INET6);
  EXPECT_EQ(IpAddress().bytes().size(), 4U);
  EXPECT_EQ(IpAddress::any_v6().bytes().size(), 16U);
}

TEST(IpAddress, OrderAndHash) {
  EXPECT_LT(IpAddress::v4(255, 0, 0, 0), IpAddress::any_v6());
  EXPECT_LT(IpAddress::v4(1, 0, 0, 0), IpAddress::v4(1, 0, 0, 1));
  EXPECT_NE(IpAddress(), IpAddress::any_v6());
  const std::unordered_set<IpAddress> set = {IpAddress(), IpAddress::any_v6(), *IpAddress::parse("::ffff:0.0.0.0")};
  EXPECT_EQ(set.size(), 2U);
}

TEST(Endpoint, ParsesAndPrints) {
  EXPECT_EQ(Endpoint::parse("192.0.2.1@53"), (Endpoint{IpAddress::v4(192, 0, 2, 1), 53}));
  EXPECT_EQ(Endpoint::parse("::1@65535")->text(), "::1@65535");
  EXPECT_EQ(Endpoint::parse("::1", 53)->text(), "::1@53");
  EXPECT_EQ(Endpoint::parse("::1@5300", 53)->text(), "::1@5300");
}

TEST(Endpoint, SaysWhatIsWrong) {
  const auto detail = [](std::string_view text, std::optional<std::uint16_t> port = std::nullopt) {
    const auto endpoint = Endpoint::parse(text, port);
    return endpoint ? "accepted" : endpoint.error().detail;
  };
  EXPECT_EQ(detail("192.0.2.1"), "'192.0.2.1' has no port, write 192.0.2.1@PORT");
  EXPECT_EQ(detail("192.0.2.1:53"), "'192.0.2.1:53' is not an address of the form ADDRESS@PORT");
  EXPECT_EQ(detail("[::1]:53", 53), "'[::1]:53' is not an address of the form ADDRESS or ADDRESS@PORT");
  for (const std::string_view port : {"", "0", "65536", "-1", "+1", "53x", "domain"}) {
    EXPECT_EQ(detail("::1@" + std::string(port), 53), "'" + std::string(port) + "' is not a port (1 to 65535)");
  }
}

TEST(Endpoint, SocketAddresses) {
  for (const std::string_view text : {"192.0.2.1@53", "2001:db8::1@5300"}) {
    const auto endpoint = *Endpoint::parse(text);
    sockaddr_storage storage;
    const auto size = endpoint.to_sockaddr(storage);
    EXPECT_EQ(storage.ss_family, endpoint.address.af());
    EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), size), endpoint);
    EXPECT_FALSE(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), size - 1));
    EXPECT_FALSE(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), 1));
  }
  sockaddr_storage other{};
  other.ss_family = AF_UNIX;
  EXPECT_FALSE(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&other), sizeof other));
}

TEST(Endpoint, MappedSocketAddressIsV4) {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(53);
  in6.sin6_addr.s6_addr[10] = in6.sin6_addr.s6_addr[11] = 0xff;
  in6.sin6_addr.s6_addr[12] = 192;
  EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&in6), sizeof in6)->text(), "192.0.0.0@53");
}

TEST(Prefix, Contains) {
  const auto holds = [](std::string_view prefix, std::string_view address) {
    return Prefix::parse(prefix)->contains(*IpAddress::parse(address));
  };
  EXPECT_TRUE(holds("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(holds("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(holds("0.0.0.0/0", "255.255.255.255"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::1"));
  EXPECT_FALSE(holds("::/0", "192.0.2.1"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(holds("192.0.2.0/24", "::ffff:192.0.2.1"));
}

TEST(Prefix, TextAndMistakes) {
  EXPECT_EQ(Prefix::parse("192.0.2.0/24")->text(), "192.0.2.0/24");
  EXPECT_EQ(Prefix::parse("192.0.2.1/32")->text(), "192.0.2.1");
  EXPECT_EQ(Prefix::parse("::ffff:192.0.2.0/120")->text(), "192.0.2.0/24");
  EXPECT_EQ(Prefix::of(IpAddress::any_v6()).text(), "::");
  EXPECT_EQ(Prefix::parse("192.0.2.0/33").error().detail, "'33' is not a prefix length (0 to 32)");
  EXPECT_EQ(Prefix::parse("::/").error().detail, "'' is not a prefix length (0 to 128)");
  EXPECT_EQ(Prefix::parse("::ffff:192.0.2.0/24").error().detail, "'24' is not a prefix length (96 to 128)");
  EXPECT_EQ(Prefix::parse("net/24").error().detail, "'net/24' is not an address or a prefix (ADDRESS/LENGTH)");
  EXPECT_EQ(
      Prefix::parse("192.0.2.1/24").error().detail,
      "'192.0.2.1/24' has address bits behind its length, write 192.0.2.0/24 for the network or 192.0.2.1 for the "
      "host");
  EXPECT_EQ(Prefix::parse("2001:db8::ff/121").error().detail,
            "'2001:db8::ff/121' has address bits behind its length, write 2001:db8::80/121 for the network or "
            "2001:db8::ff for the host");
}

}  // namespace
}  // namespace understudy
