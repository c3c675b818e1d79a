#include "dns/compact_name.h"

#include <gtest/gtest.h>

#include <string>

namespace understudy {
namespace {

TEST(CompactName, KeepsNamesOfAnyLength) {
  static_assert(sizeof(CompactName) == 30);
  std::string text;
  for (int labels = 0; labels < 127; ++labels) {
    const Name name = *Name::parse(text.empty() ? "." : text);
    const CompactName compact(name);
    EXPECT_TRUE(compact.view().identical(name)) << text;
    EXPECT_EQ(compact.view().size(), name.size());
    text = (labels % 2 == 0 ? "A." : "b.") + text;
  }
}

}  // namespace
}  // namespace understudy
