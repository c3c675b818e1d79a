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

}  // namespace
}  // namespace understudy
