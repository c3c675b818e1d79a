#include "server/zone_text.h"

#include <gtest/gtest.h>

#include "server_fixture.h"
#include "transfer/file_zone.h"

namespace understudy {
namespace {

std::shared_ptr<const Zone> zone_of(const std::string& text, std::string_view apex = "example.") {
  const Folder folder;
  const SystemClock clock;
  const auto reading = read_file_version(folder.write("z", text), Name::parse(apex).value(), {}, clock);
  EXPECT_TRUE(reading.version) << reading.version.error().text();
  return reading.version.value_or(nullptr);
}

std::string text_of(std::shared_ptr<const Zone> zone, std::size_t* pieces = nullptr) {
  ZoneText source(std::move(zone));
  std::string all;
  bool more = true;
  while (more) {
    std::string piece;
    more = source.next(piece);
    all += piece;
    if (pieces != nullptr) ++*pieces;
  }
  return all;
}

TEST(ZoneTextTest, SoaIsFirstAndNamesAreWhole) {
  EXPECT_EQ(text_of(zone_of("www.example. 60 A 192.0.2.2\n"
                            "www.example. 60 A 192.0.2.1\n"
                            "we\\ ird\\.x.example. 60 TXT \"a\\\"b\" \"\"\n"
                            "example. 300 NS ns.example.\n"
                            "example. 300 SOA ns.example. host.example. 5 3600 600 86400 60\n"
                            "*.example. 60 TYPE65280 \\# 2 abcd\n")),
            "example.\t300\tIN\tSOA\tns.example. host.example. 5 3600 600 86400 60\n"
            "example.\t300\tIN\tNS\tns.example.\n"
            "www.example.\t60\tIN\tA\t192.0.2.2\n"
            "www.example.\t60\tIN\tA\t192.0.2.1\n"
            "we\\032ird\\.x.example.\t60\tIN\tTXT\t\"a\\\"b\" \"\"\n"
            "*.example.\t60\tIN\tTYPE65280\t\\# 2 abcd\n");
}

TEST(ZoneTextTest, RootZone) {
  EXPECT_EQ(text_of(zone_of(". 300 SOA a. b. 1 2 3 4 5\n. 300 NS a.\n", ".")),
            ".\t300\tIN\tSOA\ta. b. 1 2 3 4 5\n.\t300\tIN\tNS\ta.\n");
}

TEST(ZoneTextTest, SignaturesKeepTheirOwnTtl) {
  const std::string signature = "A 8 2 60 20300101000000 20200101000000 1 example. AAAA";
  const std::string text =
      text_of(zone_of("example. 300 SOA ns.example. host.example. 5 3600 600 86400 60\nexample. 300 NS ns.example.\n"
                      "www.example. 60 A 192.0.2.1\nwww.example. 90 RRSIG " +
                      signature + "\nonly.example. 70 RRSIG " + signature + "\n"));
  EXPECT_NE(text.find("www.example.\t60\tIN\tA\t192.0.2.1\nwww.example.\t90\tIN\tRRSIG\t" + signature + "\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("only.example.\t70\tIN\tRRSIG\t" + signature + "\n"), std::string::npos) << text;
}

TEST(ZoneTextTest, LongZonesComeInPiecesAndCanBeReadAgain) {
  std::string file = "example. 300 SOA ns.example. host.example. 5 3600 600 86400 60\nexample. 300 NS ns.example.\n";
  for (int i = 0; i < 10'000; ++i) {
    file += "h" + std::to_string(i) + ".example. 300 TXT \"" + std::string(20, 'x') + "\"\n";
  }
  const auto zone = zone_of(file);
  std::size_t pieces = 0;
  const std::string text = text_of(zone, &pieces);
  EXPECT_GT(pieces, 5U);
  EXPECT_TRUE(same_content(zone, zone_of(text)));
}

}  // namespace
}  // namespace understudy
