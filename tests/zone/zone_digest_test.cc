#include "zone/zone_digest.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "dns/zonefile.h"
#include "zone/delta_fixture.h"

namespace understudy {
namespace {

using namespace zone_fixture;

// As a transfer would bring it: what lies outside of the zone is left out.
std::shared_ptr<const Zone> zone_of_text(const std::string& text, const Name& at) {
  ZoneBuilder builder(at);
  const auto read = read_zone_text(text, "text", at,
                                   [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
                                     US_TRY(builder.add(owner, type, ttl, rdata));
                                     return {};
                                   });
  EXPECT_TRUE(read) << read.error().text();
  auto made = builder.finish();
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

std::string example(const std::string& file) {
  std::stringstream text;
  text << std::ifstream(TEST_DATA_DIR "/conformance/rfc8976/" + file + ".zone").rdbuf();
  return text.str();
}

// RFC 8976 appendix A.1 to A.5: the digests are those that it prints.
TEST(ZoneDigest, OfTheExamplesOfTheRfc) {
  const struct {
    const char *file, *apex;
    std::size_t shown;
  } examples[] = {{"simple", "example.", 1},
                  {"complex", "example.", 1},
                  {"several_digests", "example.", 2},
                  {"uri.arpa", "uri.arpa.", 1},
                  {"root-servers.net", "root-servers.net.", 1}};
  for (const auto& each : examples) {
    const auto zone = zone_of_text(example(each.file), name(each.apex));
    ASSERT_NE(zone, nullptr) << each.file;
    EXPECT_TRUE(claims_digest(*zone)) << each.file;
    EXPECT_EQ(shown_digests(*zone).size(), each.shown) << each.file;
  }
}

TEST(ZoneDigest, ChangesWithTheData) {
  const std::string text = example("simple");
  ASSERT_EQ(shown_digests(*zone_of_text(text, apex())).size(), 1U);
  for (const char* more :
       {"new 60 A 192.0.2.1\n", "example. 60 RRSIG A 8 1 60 20300101000000 20200101000000 1 @ AAAA\n"}) {
    const auto zone = zone_of_text(text + more, apex());
    EXPECT_TRUE(claims_digest(*zone));
    EXPECT_TRUE(shown_digests(*zone).empty()) << more;
  }
  const auto covered =
      zone_of_text(text + "example. 60 RRSIG ZONEMD 8 1 60 20300101000000 20200101000000 1 @ AAAA\n", apex());
  EXPECT_EQ(shown_digests(*covered).size(), 1U) << "it is made after the digest";
}

TEST(ZoneDigest, OtherClaimsProveNothing) {
  const std::string digest(96, 'a'), other(96, 'b');
  for (const std::string& claims :
       {"ZONEMD 2 1 1 " + digest, "ZONEMD 1 2 1 " + digest, "ZONEMD 1 1 3 " + digest, "ZONEMD 1 1 2 " + digest,
        "ZONEMD 1 1 1 " + digest + "\n@ 60 ZONEMD 1 1 1 " + other}) {
    const auto zone = shared_zone("@ 60 " + claims + "\n");
    ASSERT_NE(zone, nullptr) << claims;
    EXPECT_FALSE(claims_digest(*zone)) << claims;
    EXPECT_TRUE(shown_digests(*zone).empty()) << claims;
  }
  EXPECT_FALSE(claims_digest(*shared_zone("www 60 ZONEMD 1 1 1 " + digest + "\n"))) << "not at the apex";
}

// However a version came about.
TEST(ZoneDigest, OfVersionsThatChanged) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    RandomHistory history(seed, apex(), 20);
    auto zone = build_shared(history.records(), apex());
    for (int i = 0; i < 5; ++i) {
      const DeltaPtr step = history.step(5);
      zone = apply_deltas(zone, {&step, 1}).value();
    }
    const auto built = build(history.records());
    for (const DigestHash hash : {DigestHash::sha384, DigestHash::sha512}) {
      EXPECT_EQ(zone_digest(*zone, hash), zone_digest(*built, hash)) << seed;
    }
  }
}

}  // namespace
}  // namespace understudy
