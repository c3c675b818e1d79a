#include "net/xdp_frame.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>

#include "xdp_frames.h"

namespace understudy {
namespace {

FrameVerdict verdict_of(const Bytes& frame) {
  UdpFrame where;
  return read_udp_frame(frame, where);
}

/// The answer's frame, with a payload of that size.
Bytes answer_of(const Bytes& frame, const UdpFrame& where, std::size_t size) {
  Bytes out(std::max(where.payload_at + size, UdpFrame::shortest_frame), 0xee);
  for (std::size_t i = 0; i < size; ++i) out[where.payload_at + i] = static_cast<std::uint8_t>(i * 37 + 1);
  EXPECT_EQ(write_answer_headers(frame, where, 0xbeef, out.data(), size), out.size());
  return out;
}

class XdpFrame : public testing::TestWithParam<FrameSpec> {};

TEST_P(XdpFrame, IsReadAndAnswered) {
  const FrameSpec& spec = GetParam();
  const Bytes frame = frame_of(spec);
  UdpFrame where;
  ASSERT_EQ(read_udp_frame(frame, where), FrameVerdict::query);
  const bool v6 = spec.source.is_v6();
  const std::size_t ip_at = 14 + 4 * spec.tags.size();
  EXPECT_EQ(where.is_v6, v6);
  EXPECT_EQ(where.ip_at, ip_at);
  EXPECT_EQ(where.payload_at, ip_at + (v6 ? 40 : 20) + 8);
  EXPECT_EQ(where.payload_size, spec.payload.size());

  ClientAddress client;
  read_client(frame, where, 3, client);
  EXPECT_EQ(Endpoint::from_sockaddr(&client.generic, sizeof client), (Endpoint{spec.source, spec.source_port}));

  for (const std::size_t size : {0, 1, 2, 3, 12, 17, 18, 100, 511, 1232, 1472}) {
    const Bytes answer = answer_of(frame, where, size);
    const ByteView ip = ByteView(answer).subspan(ip_at);
    // Link layer: the stations change places, tags and type stay.
    EXPECT_TRUE(std::equal(answer.begin(), answer.begin() + 6, frame.begin() + 6));
    EXPECT_TRUE(std::equal(answer.begin() + 6, answer.begin() + 12, frame.begin()));
    EXPECT_TRUE(std::equal(answer.begin() + 12, answer.begin() + static_cast<long>(ip_at), frame.begin() + 12));
    if (v6) {
      EXPECT_EQ(load_u32(ip.data()), 0x6000'0000U);
      EXPECT_EQ(load_u16(&ip[4]), 8 + size);
      EXPECT_EQ(ip[6], 17);
      EXPECT_EQ(ip[7], 64);
      EXPECT_EQ(IpAddress::from_bytes(ip.subspan(8, 16)), spec.destination);
      EXPECT_EQ(IpAddress::from_bytes(ip.subspan(24, 16)), spec.source);
    } else {
      EXPECT_EQ(plain_sum(ip.first(20)), 0xffff);
      EXPECT_EQ(load_u16(ip.data()), 0x4500);
      EXPECT_EQ(load_u16(&ip[2]), 28 + size);
      EXPECT_EQ(load_u16(&ip[4]), 0xbeef);
      EXPECT_EQ(load_u16(&ip[6]), 0);
      EXPECT_EQ(load_u16(&ip[8]), 0x4011);
      EXPECT_EQ(IpAddress::from_bytes(ip.subspan(12, 4)), spec.destination);
      EXPECT_EQ(IpAddress::from_bytes(ip.subspan(16, 4)), spec.source);
    }
    const ByteView udp = ip.subspan(v6 ? 40 : 20);
    EXPECT_EQ(load_u16(&udp[0]), spec.destination_port);
    EXPECT_EQ(load_u16(&udp[2]), spec.source_port);
    EXPECT_EQ(load_u16(&udp[4]), 8 + size);
    EXPECT_NE(load_u16(&udp[6]), 0);
    EXPECT_EQ(plain_udp_sum(ip), 0xffff) << "payload " << size;
    // What makes the frame long enough says nothing.
    for (std::size_t i = where.payload_at + size; i < answer.size(); ++i) EXPECT_EQ(answer[i], 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Frames, XdpFrame,
                         testing::Values(FrameSpec{}, FrameSpec{.udp_checksum = false}, FrameSpec{.payload = {}},
                                         FrameSpec{.fragment = 0x4000}, FrameSpec{.padding = 18},
                                         FrameSpec{.tags = {0x8100'0005}},
                                         FrameSpec{.tags = {0x88a8'0007, 0x8100'e005}}, v6_spec(),
                                         FrameSpec{.source = address_of("fe80::9"),
                                                   .destination = address_of("fe80::1"),
                                                   .tags = {0x8100'0fff},
                                                   .padding = 3}));

TEST(XdpFrameRead, LeavesTheRestToTheKernel) {
  FrameSpec more{.fragment = 0x2000}, later{.fragment = 0x0001}, options{.first_octet = 0x46}, old{.first_octet = 0x55};
  FrameSpec tcp{.protocol = 6}, deep{.tags = {0x88a8'0001, 0x88a8'0002, 0x8100'0003}};
  FrameSpec extension = v6_spec(), fragment = v6_spec();
  extension.protocol = 0;
  fragment.protocol = 44;
  for (const FrameSpec& spec : {more, later, options, old, tcp, deep, extension, fragment}) {
    EXPECT_EQ(verdict_of(frame_of(spec)), FrameVerdict::not_ours);
  }
  Bytes arp = frame_of({});
  store_u16(&arp[12], 0x0806);
  EXPECT_EQ(verdict_of(arp), FrameVerdict::not_ours);
}

TEST(XdpFrameRead, NeverReadsWhatIsNotThere) {
  for (const FrameSpec& spec : {FrameSpec{}, v6_spec(), FrameSpec{.tags = {0x88a8'0001, 0x8100'0002}}}) {
    const Bytes frame = frame_of(spec);
    for (std::size_t n = 0; n < frame.size(); ++n) {
      EXPECT_EQ(verdict_of(Bytes(frame.begin(), frame.begin() + static_cast<long>(n))), FrameVerdict::not_ours) << n;
    }
  }
}

TEST(XdpFrameRead, RefusesLengthsThatContradict) {
  for (const int length : {0, 7, 14, 0xffff}) {
    Bytes v4 = frame_of({}), v6 = frame_of(v6_spec());
    store_u16(&v4[14 + 20 + 4], static_cast<std::uint16_t>(length));
    store_u16(&v6[14 + 40 + 4], static_cast<std::uint16_t>(length));
    EXPECT_EQ(verdict_of(v4), FrameVerdict::not_ours) << length;
    EXPECT_EQ(verdict_of(v6), FrameVerdict::not_ours) << length;
  }
}

TEST(XdpFrameRead, NoticesEveryDamagedBit) {
  for (const FrameSpec& spec : {FrameSpec{}, v6_spec()}) {
    const Bytes frame = frame_of(spec);
    for (std::size_t bit = 14 * 8; bit < frame.size() * 8; ++bit) {
      if (spec.source.is_v6() && (bit < 18 * 8 || bit / 8 == 14 + 7))
        continue;  // class, label and hops: in no checksum
      Bytes damaged = frame;
      damaged[bit / 8] ^= static_cast<std::uint8_t>(1 << bit % 8);
      EXPECT_NE(verdict_of(damaged), FrameVerdict::query) << bit;
    }
  }
}

TEST(XdpFrameRead, TakesWhatChecksumOffloadLeaves) {
  for (const FrameSpec& spec : {FrameSpec{}, v6_spec()}) {
    Bytes frame = frame_of(spec);
    const std::size_t udp_at = spec.source.is_v6() ? 54 : 34;
    Bytes without = frame;
    // The sum of the pseudo header is that of the packet with nothing but its length in the datagram, less the length.
    const std::uint16_t length = load_u16(&frame[udp_at + 4]);
    std::fill(without.begin() + static_cast<long>(udp_at), without.end(), 0);
    store_u16(&without[udp_at + 4], static_cast<std::uint16_t>(length));
    const std::uint16_t twice = plain_udp_sum(ByteView(without).subspan(14));
    store_u16(&frame[udp_at + 6], plain_sum(Bytes{0, 0}, twice + 0xffffU - length));
    EXPECT_EQ(verdict_of(frame), FrameVerdict::query);
    frame[udp_at + 7] ^= 1;
    EXPECT_EQ(verdict_of(frame), FrameVerdict::bad_checksum);
  }
}

TEST(XdpFrameRead, WantsAChecksumOfIpv6) {
  FrameSpec spec = v6_spec();
  spec.udp_checksum = false;
  EXPECT_EQ(verdict_of(frame_of(spec)), FrameVerdict::bad_checksum);
}

TEST(XdpFrameRead, AnswersNobodyWhoIsNotOne) {
  for (const char* text : {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.251", "255.255.255.255", "240.0.0.1"}) {
    EXPECT_EQ(verdict_of(frame_of({.source = address_of(text)})), FrameVerdict::forged) << text;
  }
  for (const char* text : {"::", "::1", "ff02::fb"}) {
    FrameSpec spec = v6_spec();
    spec.source = address_of(text);
    EXPECT_EQ(verdict_of(frame_of(spec)), FrameVerdict::forged) << text;
  }
  EXPECT_EQ(verdict_of(frame_of({.source_port = 0})), FrameVerdict::forged);
  for (const std::size_t station : {0, 6}) {
    Bytes group = frame_of({});
    group[station] |= 1;
    EXPECT_EQ(verdict_of(group), FrameVerdict::forged);
  }
}

TEST(XdpFrameRead, KeepsTheScopeOfLinkLocalClients) {
  FrameSpec spec = v6_spec();
  spec.source = address_of("fe80::9");
  const Bytes frame = frame_of(spec);
  UdpFrame where;
  ASSERT_EQ(read_udp_frame(frame, where), FrameVerdict::query);
  ClientAddress client;
  read_client(frame, where, 42, client);
  EXPECT_EQ(client.v6.sin6_scope_id, 42U);
}

TEST(XdpFrameChecksum, IsThatOfThePlainSum) {
  std::mt19937 random(5);
  for (std::size_t size = 0; size < 300; ++size) {
    Bytes octets(size);
    for (auto& octet : octets) octet = static_cast<std::uint8_t>(size % 3 == 0 ? 0xff : random());
    std::uint16_t folded = fold_checksum(checksum_part(octets));
    folded = ntohs(folded);
    EXPECT_EQ(folded, plain_sum(octets)) << size;
  }
  EXPECT_EQ(fold_checksum(~std::uint64_t{0}), 0xffff);
}

// A checksum that comes out as zero is sent as its other form (RFC 768): zero would mean none.
TEST(XdpFrameChecksum, IsNeverZero) {
  const Bytes frame = frame_of({});
  UdpFrame where;
  ASSERT_EQ(read_udp_frame(frame, where), FrameVerdict::query);
  bool seen = false;
  for (unsigned word = 0; word <= 0xffff; ++word) {
    Bytes answer(UdpFrame::shortest_frame);
    store_u16(&answer[where.payload_at], static_cast<std::uint16_t>(word));
    write_answer_headers(frame, where, 0, answer.data(), 2);
    const std::uint16_t checksum = load_u16(&answer[where.payload_at - 2]);
    ASSERT_NE(checksum, 0);
    seen |= checksum == 0xffff;
  }
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace understudy
