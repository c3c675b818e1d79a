// The program as the kernel has it, run on frames without an interface. Needs CAP_BPF and CAP_NET_ADMIN.
#include "net/xdp_program.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include "net/xdp_frame.h"
#include "net/xdp_layout.h"
#include "xdp_frames.h"

namespace understudy {
namespace {

class XdpProgramRun : public testing::Test {
 protected:
  void SetUp() override {
    auto loaded = XdpProgram::load(1);
    if (!loaded) GTEST_SKIP() << "NOT TESTED, the kernel does not let us: " << loaded.error().text();
    program_ = std::move(*loaded);
    const std::vector<Endpoint> ours = {{address_of("192.0.2.1"), 53}, {address_of("2001:db8::1"), 53}};
    const auto set = program_->set_endpoints(ours);
    ASSERT_TRUE(set) << set.error().text();
  }

  /// Whether it would hand the frame to a socket. There is none, so it passes all and counts what it would have taken.
  bool takes(const Bytes& frame) {
    const XdpPassed before = program_->counters(0);
    const auto action = program_->try_frame(frame);
    EXPECT_TRUE(action) << action.error().text();
    EXPECT_EQ(action.value_or(0), XDP_PASS);
    const XdpPassed after = program_->counters(0);
    EXPECT_EQ(after.passed + after.without_socket, before.passed + before.without_socket + 1);
    return after.without_socket != before.without_socket;
  }

  std::unique_ptr<XdpProgram> program_;
};

TEST_F(XdpProgramRun, TakesQueriesToOurAddressesAndPorts) {
  for (FrameSpec spec : {FrameSpec{}, v6_spec()}) {
    EXPECT_TRUE(takes(frame_of(spec)));
    spec.tags = {0x8100'0005};
    EXPECT_TRUE(takes(frame_of(spec)));
    spec.tags = {0x88a8'0007, 0x8100'0005};
    EXPECT_TRUE(takes(frame_of(spec)));
    spec.tags = {0x88a8'0007, 0x8100'0005, 0x8100'0006};
    EXPECT_FALSE(takes(frame_of(spec)));
    spec.tags = {};
    spec.destination_port = 54;
    EXPECT_FALSE(takes(frame_of(spec)));
    spec.destination_port = 53;
    spec.destination = address_of(spec.source.is_v4() ? "192.0.2.2" : "2001:db8::2");
    EXPECT_FALSE(takes(frame_of(spec)));
  }
}

TEST_F(XdpProgramRun, FollowsTheAddresses) {
  FrameSpec other{.destination = address_of("192.0.2.2")};
  const std::vector<Endpoint> moved = {{other.destination, 53}};
  ASSERT_TRUE(program_->set_endpoints(moved));
  EXPECT_TRUE(takes(frame_of(other)));
  EXPECT_FALSE(takes(frame_of({})));
  EXPECT_FALSE(takes(frame_of(v6_spec())));
  ASSERT_TRUE(program_->set_endpoints({}));
  EXPECT_FALSE(takes(frame_of(other)));
}

// What the program takes and read_udp_frame() does not would be lost: neither the kernel nor we would answer it.
TEST_F(XdpProgramRun, TakesNothingThatWeWouldNotRead) {
  FrameSpec more{.fragment = 0x2000}, later{.fragment = 0x0001}, options{.first_octet = 0x46}, old{.first_octet = 0x55};
  FrameSpec tcp{.protocol = 6}, icmp{.protocol = 1};
  FrameSpec extension = v6_spec(), fragment = v6_spec(), v6_tcp = v6_spec();
  extension.protocol = 0;
  fragment.protocol = 44;
  v6_tcp.protocol = 6;
  for (const FrameSpec& spec : {more, later, options, old, tcp, icmp, extension, fragment, v6_tcp}) {
    const Bytes frame = frame_of(spec);
    UdpFrame where;
    EXPECT_EQ(read_udp_frame(frame, where), FrameVerdict::not_ours);
    EXPECT_FALSE(takes(frame));
  }
  EXPECT_TRUE(takes(frame_of({.fragment = 0x4000})));  // "don't fragment" is no fragment
}

TEST_F(XdpProgramRun, LeavesGroupsAndOtherProtocolsToTheKernel) {
  Bytes group = frame_of({});
  group[0] |= 1;
  EXPECT_FALSE(takes(group));
  for (const int type : {0x0806, 0x88cc, 0x0005}) {
    Bytes other = frame_of({});
    store_u16(&other[12], static_cast<std::uint16_t>(type));
    EXPECT_FALSE(takes(other));
  }
}

TEST_F(XdpProgramRun, LooksNowhereBehindTheEnd) {
  for (const FrameSpec& spec : {FrameSpec{.payload = {}}, FrameSpec{.tags = {0x8100'0005}, .payload = {}}}) {
    const Bytes frame = frame_of(spec);
    EXPECT_TRUE(takes(frame));
    // Frames below an Ethernet header are not run at all.
    for (std::size_t n = 14; n < frame.size(); ++n) {
      EXPECT_FALSE(takes(Bytes(frame.begin(), frame.begin() + static_cast<long>(n)))) << n;
    }
  }
}

TEST_F(XdpProgramRun, TakesNoFrameThatIsLongerThanItsPlace) {
  FrameSpec spec;
  spec.payload = Bytes(US_XDP_LONGEST_FRAME - 42);
  EXPECT_TRUE(takes(frame_of(spec)));
  spec.padding = 1;
  EXPECT_FALSE(takes(frame_of(spec)));
}

}  // namespace
}  // namespace understudy
