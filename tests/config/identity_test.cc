#include "config/identity.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/encoding.h"
#include "config/parser.h"
#include "config_fixture.h"

namespace understudy::config {
namespace {

TEST(Identity, NsidIsTextOrHexadecimal) {
  EXPECT_EQ(nsid_octets("ns1.example").value(), Bytes({'n', 's', '1', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'}));
  EXPECT_EQ(nsid_octets("0x00Ff").value(), Bytes({0, 0xff}));
  EXPECT_FALSE(nsid_octets("0x"));
  EXPECT_FALSE(nsid_octets("0x0"));
  EXPECT_FALSE(nsid_octets("0xgg"));
  EXPECT_TRUE(nsid_octets(std::string(max_nsid, 'x')));
  EXPECT_FALSE(nsid_octets(std::string(max_nsid + 1, 'x')));
}

constexpr std::string_view first = "e5e973e5a6b2a43f48e7dc849e37bfcf", second = "445536bcd2513298075a5d379663c962";

TEST(CookieSecrets, OneALineInTheOrderOfTheFile) {
  const auto secrets = parse_cookie_secrets(
      "# made in June\n\n  " + std::string(first) + "\t# now\r\n" + std::string(second), "secrets");
  ASSERT_TRUE(secrets);
  EXPECT_EQ(*secrets, (std::vector{*hex_decode(first), *hex_decode(second)}));
}

TEST(CookieSecrets, WhatIsNoneNamesItsLineAndNotItself) {
  const auto wrong = parse_cookie_secrets(std::string(first) + "\n" + std::string(second) + "00\n", "secrets");
  ASSERT_FALSE(wrong);
  EXPECT_NE(wrong.error().detail.find("secrets:2:"), std::string::npos) << wrong.error().detail;
  EXPECT_EQ(wrong.error().detail.find(second), std::string::npos);
  EXPECT_FALSE(parse_cookie_secrets("not hex", "secrets"));
  EXPECT_FALSE(parse_cookie_secrets("# nothing\n", "secrets"));
  std::string many;
  for (int i = 0; i < 9; ++i) many += std::string(first) + "\n";
  EXPECT_FALSE(parse_cookie_secrets(many, "secrets"));
}

TEST(CookieSecrets, AreReadWithTheConfiguration) {
  const std::string directory = ::testing::TempDir();
  const auto write = [&](const std::string& name, std::string_view text) {
    std::ofstream(directory + "/" + name, std::ios::trunc) << text;
    return directory + "/" + name;
  };
  const std::string file = write("identity_test.yaml", "server: {cookie-secret-file: identity_test.secrets}\n");
  write("identity_test.secrets", first);
  const auto loaded = load_config(file);
  ASSERT_TRUE(loaded) << loaded.error().detail;
  EXPECT_EQ(loaded->config->server.cookie_secrets, std::vector<Bytes>{*hex_decode(first)});
  write("identity_test.secrets", "wrong");
  EXPECT_FALSE(load_config(file));
  std::remove((directory + "/identity_test.secrets").c_str());
  EXPECT_FALSE(load_config(file));
  std::remove(file.c_str());
}

TEST(Identity, WhatDoesNotFitIsNamed) {
  for (const std::string& text : {std::string("nsid: 0x123"), "version: '" + std::string(256, 'v') + "'",
                                  "identity: '" + std::string(256, 'v') + "'", std::string("report-channel: .")}) {
    const auto parsed = parse_config("server:\n  " + text + "\n", "test", "/");
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().detail.find("server." + text.substr(0, text.find(':'))), std::string::npos)
        << parsed.error().detail;
  }
}

}  // namespace
}  // namespace understudy::config
