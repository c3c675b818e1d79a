#include "dns/nsec3.h"

#include <gtest/gtest.h>

#include <random>

#include "dns/name.h"

namespace understudy {
namespace {

std::string hashed(const char* name, const Nsec3Params& params) {
  const Nsec3Label label = nsec3_label(nsec3_hash(Name::parse(name).value(), params));
  return {label.begin(), label.end()};
}

// RFC 5155 appendix A: iterations 12, salt AABBCCDD.
TEST(Nsec3Test, Rfc5155AppendixA) {
  const Bytes salt = {0xaa, 0xbb, 0xcc, 0xdd};
  const Nsec3Params params{nsec3_sha1, 0, 12, salt};
  EXPECT_EQ(hashed("example.", params), "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom");
  EXPECT_EQ(hashed("a.example.", params), "35mthgpgcu1qg68fab165klnsnk3dpvl");
  EXPECT_EQ(hashed("ai.example.", params), "gjeqe526plbf1g8mklp59enfd789njgi");
  EXPECT_EQ(hashed("*.w.example.", params), "r53bq7cc2uvmubfu5ocmm6pers9tk9en");
  EXPECT_EQ(hashed("X.Y.w.EXAMPLE.", params), "2vptu5timamqttgl4luu9kg21e0aor3s");
}

TEST(Nsec3Test, WithoutSaltAndIterations) {
  // As ldns-nsec3-hash -t 0 says.
  EXPECT_EQ(hashed("example.com.", {nsec3_sha1, 0, 0, {}}), "onib9mgub9h0rml3cdf5bgrj59dkjhvk");
}

// RFC 4648 section 7, digit by digit.
TEST(Nsec3Test, LabelsOfEveryHash) {
  std::mt19937 random(1);
  for (int round = 0; round < 2'000; ++round) {
    Nsec3Hash hash;
    for (auto& octet : hash) octet = static_cast<std::uint8_t>(random());
    const Nsec3Label label = nsec3_label(hash);
    for (std::size_t i = 0; i < label.size(); ++i) {
      unsigned digit = 0;
      for (std::size_t bit = 5 * i; bit < 5 * i + 5; ++bit) digit = digit << 1 | (hash[bit / 8] >> (7 - bit % 8) & 1U);
      ASSERT_EQ(label[i], "0123456789abcdefghijklmnopqrstuv"[digit]) << i;
    }
  }
}

TEST(Nsec3Test, ParametersOfRecords) {
  const Bytes rdata = {1, 1, 0x01, 0x02, 2, 0xab, 0xcd, 20};
  const Nsec3Params params = nsec3_params(rdata);
  EXPECT_EQ(params.algorithm, 1);
  EXPECT_EQ(params.flags, 1);
  EXPECT_EQ(params.iterations, 0x102);
  const Bytes salt = {0xab, 0xcd};
  EXPECT_TRUE(params.is_same_chain({1, 0, 0x102, salt}));
  EXPECT_FALSE(params.is_same_chain({1, 0, 0x103, salt}));
  EXPECT_FALSE(params.is_same_chain({1, 0, 0x102, {}}));
}

}  // namespace
}  // namespace understudy
