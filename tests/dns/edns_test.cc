#include "dns/edns.h"

#include <gtest/gtest.h>

#include "dns/message.h"

namespace understudy {
namespace {

TEST(EdnsOptions, AppendAndFind) {
  Bytes options;
  append_edns_option(options, edns_nsid, view_of("ns1"));
  append_edns_option(options, edns_expire, {});
  append_edns_option(options, edns_nsid, view_of("second"));
  EXPECT_EQ(options, (Bytes{0, 3, 0, 3, 'n', 's', '1', 0, 9, 0, 0, 0, 3, 0, 6, 's', 'e', 'c', 'o', 'n', 'd'}));

  Edns edns;
  edns.options = options;
  ASSERT_TRUE(edns.option(edns_nsid));
  EXPECT_EQ(text_of(*edns.option(edns_nsid)), "ns1");
  ASSERT_TRUE(edns.option(edns_expire));
  EXPECT_TRUE(edns.option(edns_expire)->empty());
  EXPECT_FALSE(edns.option(edns_cookie));
  EXPECT_FALSE(Edns().option(edns_nsid));
  EXPECT_EQ(find_edns_option(options, edns_nsid)->data(), edns.option(edns_nsid)->data()) << "the first";
  EXPECT_FALSE(find_edns_option({}, edns_nsid));
}

TEST(EdnsOptions, ExtendedError) {
  Bytes options;
  append_extended_error(options, ExtendedError::prohibited);
  append_extended_error(options, ExtendedError::not_ready, "no data yet");
  Bytes expected{0, 15, 0, 2, 0, 18, 0, 15, 0, 13, 0, 14};
  append(expected, view_of("no data yet"));
  EXPECT_EQ(options, expected);
}

TEST(EdnsRequestTest, ReadsWishes) {
  Bytes options;
  append_edns_option(options, 65001, view_of("unknown"));
  append_edns_option(options, edns_nsid, view_of("ignored"));
  append_edns_option(options, edns_keepalive, {});
  append_edns_option(options, edns_cookie, view_of("8octets!"));
  const EdnsRequest request = read_edns_request(options);
  EXPECT_EQ(request.wishes, EdnsRequest::nsid | EdnsRequest::keepalive | EdnsRequest::cookie);
  EXPECT_EQ(request.faults, 0);
  EXPECT_EQ(text_of(request.client_cookie), "8octets!");
  EXPECT_EQ(read_edns_request({}).wishes, 0);
}

TEST(EdnsRequestTest, CookieSizes) {
  for (std::size_t size = 0; size <= 50; ++size) {
    Bytes options;
    append_edns_option(options, edns_cookie, Bytes(size, 1));
    const bool good = size == 8 || (size >= 16 && size <= 40);
    EXPECT_EQ(read_edns_request(options).faults, good ? 0 : EdnsRequest::cookie) << size;
  }
}

TEST(EdnsRequestTest, WhatMustBeEmpty) {
  for (const auto& [code, wish] :
       {std::pair{edns_keepalive, EdnsRequest::keepalive}, std::pair{edns_zone_version, EdnsRequest::zone_version}}) {
    Bytes options;
    append_edns_option(options, code, view_of("xx"));
    EXPECT_EQ(read_edns_request(options).faults, wish);
  }
}

// RFC 7873 section 5.2: all but the first COOKIE are ignored.
TEST(EdnsRequestTest, TheFirstCounts) {
  Bytes options;
  append_edns_option(options, edns_cookie, view_of("8octets!"));
  append_edns_option(options, edns_cookie, view_of("short"));
  EXPECT_EQ(read_edns_request(options).faults, 0);
  EXPECT_EQ(text_of(read_edns_request(options).client_cookie), "8octets!");
}

}  // namespace
}  // namespace understudy
