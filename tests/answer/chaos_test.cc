#include "answer/chaos.h"

#include <gtest/gtest.h>

#include "answer/answer_fixture.h"

namespace understudy {
namespace {

using answer_fixture::name;

TEST(Chaos, FourNamesInAnyCase) {
  const ChaosSettings settings{.version = "v", .identity = "i"};
  EXPECT_EQ(settings.text_at(name("Version.BIND.")), "v");
  EXPECT_EQ(settings.text_at(name("version.server.")), "v");
  EXPECT_EQ(settings.text_at(name("hostname.bind.")), "i");
  EXPECT_EQ(settings.text_at(name("ID.server.")), "i");
  for (const char* other : {".", "bind.", "x.version.bind.", "authors.bind.", "id.server.example."}) {
    EXPECT_EQ(settings.text_at(name(other)), "") << other;
  }
  EXPECT_EQ(ChaosSettings{}.text_at(name("id.server.")), "");
}

TEST(Chaos, AStringHas255OctetsAtMost) {
  EXPECT_EQ(txt_rdata("ab"), (Bytes{2, 'a', 'b'}));
  EXPECT_EQ(txt_rdata(std::string(300, 'x')).size(), 256U);
}

}  // namespace
}  // namespace understudy
