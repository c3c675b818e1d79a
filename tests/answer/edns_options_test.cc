#include "answer/edns_options.h"

#include <gtest/gtest.h>

#include "answer/answer_fixture.h"
#include "base/encoding.h"

namespace understudy {
namespace {

using answer_fixture::name;

EdnsSettings settings() {
  EdnsSettings out;
  out.nsid = {'n', 's'};
  out.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey{1, 2}});
  return out;
}

EdnsRequest request(std::uint8_t wishes) {
  static constexpr std::uint8_t cookie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  EdnsRequest out;
  out.wishes = wishes;
  out.client_cookie = cookie;
  return out;
}

// Codes of the options, in their order.
std::vector<int> codes(ByteView options) {
  std::vector<int> out;
  EXPECT_TRUE(are_whole_options(options));
  while (!options.empty()) {
    out.push_back(load_u16(options.data()));
    options = options.subspan(4U + load_u16(&options[2]));
  }
  return out;
}

constexpr std::uint8_t all_wishes =
    EdnsRequest::nsid | EdnsRequest::cookie | EdnsRequest::keepalive | EdnsRequest::zone_version | EdnsRequest::expire;

TEST(OptionWriter, WritesWhatIsAskedForAndHad) {
  OptionWriter all(1000);
  EXPECT_EQ(all.put_standing(request(all_wishes), settings(), {.keepalive = std::uint16_t{7}}),
            CookieVerdict::client_only);
  all.put_zone_version(2, Serial{0x01020304});
  EXPECT_EQ(codes(all.options()), (std::vector<int>{edns_cookie, edns_keepalive, edns_nsid, edns_zone_version}));
  EXPECT_TRUE(hex_encode(all.options())
                  .ends_with("000b00020007000300026e73001300060200"
                             "01020304"));

  OptionWriter nothing_had(1000);
  EXPECT_EQ(nothing_had.put_standing(request(all_wishes), {}, {}), CookieVerdict::none);
  EXPECT_TRUE(nothing_had.options().empty()) << "by UDP keepalive is not answered";
  OptionWriter nothing_asked(1000);
  EXPECT_EQ(nothing_asked.put_standing({}, settings(), {.keepalive = std::uint16_t{7}}), CookieVerdict::none);
  EXPECT_TRUE(nothing_asked.options().empty());
}

// The cookie comes first, so that it is the last to be left out.
TEST(OptionWriter, LeavesOutWhatHasNoRoom) {
  for (std::size_t room = 0; room < 80; ++room) {
    OptionWriter some(room);
    some.put_standing(request(all_wishes), settings(), {.keepalive = std::uint16_t{7}});
    some.put_zone_version(1, Serial{1});
    EXPECT_LE(some.options().size(), room);
    const auto written = codes(some.options());
    const bool has_cookie = std::ranges::find(written, int{edns_cookie}) != written.end();
    EXPECT_EQ(has_cookie, room >= 28) << room;
  }
}

TEST(OptionWriter, HoldsTheLargestOfAll) {
  EdnsSettings large = settings();
  large.nsid.assign(EdnsSettings::max_nsid, 'x');
  OptionWriter all(100'000);
  all.put_standing(request(all_wishes), large, {.keepalive = std::uint16_t{7}});
  all.put_zone_version(1, Serial{1});
  EXPECT_EQ(codes(all.options()).size(), 4U);
}

TEST(EdnsSettings, TheReportingChannelIsNotForItself) {
  EdnsSettings reporting;
  EXPECT_FALSE(reporting.reports(name("example.")));
  EXPECT_EQ(reporting.report_channel_size(), 0U);
  reporting.report_agent = name("er.example.");
  EXPECT_TRUE(reporting.reports(name("www.example.")));
  EXPECT_FALSE(reporting.reports(name("_er.1.x.ER.example.")));
  Bytes option(reporting.report_channel_size());
  reporting.write_report_channel(option.data());
  EXPECT_EQ(hex_encode(option), "0012000c02657207" + hex_encode(view_of("example")) + "00");
}

TEST(EdnsSettings, WhatIsMalformedDependsOnWhatIsKnown) {
  EdnsRequest faulty;
  faulty.faults = EdnsRequest::cookie;
  EXPECT_TRUE(is_malformed(faulty, settings(), false));
  EXPECT_FALSE(is_malformed(faulty, {}, false)) << "cookies are off";
  faulty.faults = EdnsRequest::keepalive;
  EXPECT_TRUE(is_malformed(faulty, settings(), true));
  EXPECT_FALSE(is_malformed(faulty, settings(), false)) << "by UDP it is ignored";
  faulty.faults = EdnsRequest::zone_version;
  EXPECT_TRUE(is_malformed(faulty, {}, false));
}

TEST(EdnsSettings, WhoHasToShowACookie) {
  EdnsSettings demanding = settings();
  const auto demanded = [&] {
    std::string out;
    for (const auto shown :
         {CookieVerdict::none, CookieVerdict::client_only, CookieVerdict::bad, CookieVerdict::good}) {
      out += demands_cookie(demanding, shown) ? 'y' : 'n';
    }
    return out;
  };
  EXPECT_EQ(demanded(), "nnnn");
  demanding.cookies_required = true;
  EXPECT_EQ(demanded(), "nyyn");
  demanding.none_to_tcp = true;
  EXPECT_EQ(demanded(), "yyyn");
}

}  // namespace
}  // namespace understudy
