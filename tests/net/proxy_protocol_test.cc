#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include "proxy_header.h"

namespace understudy {
namespace {

using enum ProxyHeader::Verdict;

ProxyHeader::Verdict read(const Bytes& octets, ProxyHeader& out) {
  const Bytes exact(octets);  // so that reads over the end are seen
  return ProxyHeader::read(exact, out);
}

TEST(ProxyProtocol, NamesTheClient) {
  for (const std::string text : {"192.0.2.1@5353", "2001:db8::1@53"}) {
    const Endpoint client = Endpoint::parse(text).value();
    for (const auto transport : {std::uint8_t{1}, std::uint8_t{2}}) {
      ProxyHeader header;
      const Bytes octets = proxy_header(client, transport);
      ASSERT_EQ(read(octets, header), whole);
      EXPECT_EQ(header.size, octets.size());
      ASSERT_TRUE(header.client);
      EXPECT_EQ(*header.client, client);
    }
  }
}

TEST(ProxyProtocol, Ipv4InIpv6IsIpv4) {
  Bytes octets = proxy_header(Endpoint::parse("2001:db8::1@53").value());
  const Bytes mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  std::copy(mapped.begin(), mapped.end(), octets.begin() + 16);
  ProxyHeader header;
  ASSERT_EQ(read(octets, header), whole);
  EXPECT_EQ(header.client->text(), "192.0.2.1@53");
}

TEST(ProxyProtocol, EveryPieceIsTheStartOfOne) {
  const Bytes octets = proxy_header(Endpoint::parse("192.0.2.1@5353").value());
  ProxyHeader header;
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_EQ(read(Bytes(octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)), header), partial) << size;
  }
}

TEST(ProxyProtocol, ExtensionsAreSkipped) {
  Bytes octets = proxy_header(Endpoint::parse("192.0.2.1@5353").value());
  append(octets, Bytes{0x20, 0, 3, 1, 2, 3});
  store_u16(&octets[14], 12 + 6);
  append(octets, view_of("query"));
  ProxyHeader header;
  ASSERT_EQ(read(octets, header), whole);
  EXPECT_EQ(header.size, 16U + 12 + 6);
  EXPECT_EQ(header.client->text(), "192.0.2.1@5353");
}

TEST(ProxyProtocol, LocalAndUnknownFamiliesNameNobody) {
  Bytes local = proxy_header(Endpoint::parse("192.0.2.1@5353").value());
  local[12] = 0x20;
  Bytes unspecified(local.begin(), local.begin() + 16);
  unspecified[12] = 0x21;
  unspecified[13] = 0;
  store_u16(&unspecified[14], 0);
  Bytes unix_socket(16 + 216);
  std::copy_n(unspecified.begin(), 16, unix_socket.begin());
  unix_socket[13] = 0x31;
  store_u16(&unix_socket[14], 216);
  for (const Bytes& octets : {local, unspecified, unix_socket}) {
    ProxyHeader header;
    ASSERT_EQ(read(octets, header), whole);
    EXPECT_EQ(header.size, octets.size());
    EXPECT_FALSE(header.client);
  }
}

TEST(ProxyProtocol, RefusesWhatIsNone) {
  const Bytes good = proxy_header(Endpoint::parse("192.0.2.1@5353").value());
  ProxyHeader header;
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    Bytes octets = good;
    octets[at] = value;
    return read(octets, header);
  };
  for (std::size_t at = 0; at < 12; ++at) EXPECT_EQ(changed(at, 0xff), wrong) << at;
  EXPECT_EQ(changed(12, 0x11), wrong) << "version 1";
  EXPECT_EQ(changed(12, 0x22), wrong) << "an unknown command";
  EXPECT_EQ(changed(13, 0x41), wrong) << "an unknown family";
  EXPECT_EQ(changed(13, 0x13), wrong) << "an unknown transport";
  EXPECT_EQ(changed(15, 11), wrong) << "too short for its addresses";
  EXPECT_EQ(changed(13, 0x21), wrong) << "too short for its addresses";
  EXPECT_EQ(changed(14, 0x10), wrong) << "longer than anyone needs";
  EXPECT_EQ(read({'P', 'R', 'O', 'X', 'Y', ' ', 'T', 'C', 'P', '4'}, header), wrong);
}

TEST(ProxyProtocol, FromListedAddressesOnly) {
  const std::vector balancers = {Prefix::parse("192.0.2.0/24").value(), Prefix::parse("2001:db8::1").value()};
  EXPECT_TRUE(speaks_for_others(balancers, IpAddress::parse("192.0.2.7").value()));
  EXPECT_TRUE(speaks_for_others(balancers, IpAddress::parse("2001:db8::1").value()));
  EXPECT_FALSE(speaks_for_others(balancers, IpAddress::parse("192.0.3.7").value()));
  EXPECT_FALSE(speaks_for_others({}, IpAddress::parse("192.0.2.7").value()));
}

}  // namespace
}  // namespace understudy
