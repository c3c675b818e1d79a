// The loopback interface is there on every machine, and is none that AF_XDP is for.
#include "net/xdp_interface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace understudy {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

Endpoint endpoint(const char* text) {
  return *Endpoint::parse(text);
}

TEST(XdpInterface, IsAnEthernetThatExists) {
  const auto loopback = look_at_interface("lo");
  ASSERT_FALSE(loopback);
  EXPECT_EQ(loopback.error().code, Errc::unsupported);
  const auto nothing = look_at_interface("nothere0");
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, Errc::not_found);
}

TEST(XdpInterface, TellsItsMtuAsLongAsItIsTheSame) {
  EXPECT_GE(mtu_of_interface("lo", 1).value_or(0), 576U);
  EXPECT_FALSE(mtu_of_interface("lo", 999'999));
  EXPECT_FALSE(mtu_of_interface("nothere0", 1));
}

TEST(XdpInterface, ItsAddressesStandForWildcards) {
  const std::vector<Endpoint> listen = {endpoint("0.0.0.0@53"), endpoint("192.0.2.1@5353"), endpoint("::@53")};
  const auto own = endpoints_on("lo", listen);
  ASSERT_TRUE(own);
  EXPECT_THAT(*own, Contains(endpoint("127.0.0.1@53")));
  EXPECT_THAT(*own, Contains(endpoint("192.0.2.1@5353")));
  EXPECT_THAT(*own, Not(Contains(endpoint("0.0.0.0@53"))));
  EXPECT_THAT(*own, Not(Contains(endpoint("127.0.0.1@5353"))));
  const auto other = endpoints_on("nothere0", listen);
  ASSERT_TRUE(other);
  EXPECT_THAT(*other, ElementsAre(endpoint("192.0.2.1@5353")));
}

TEST(XdpInterface, NewsCanBeHad) {
  auto news = InterfaceNews::open();
  ASSERT_TRUE(news) << news.error().text();
  EXPECT_GE(news->descriptor(), 0);
  news->read();  // does not wait
}

}  // namespace
}  // namespace understudy
