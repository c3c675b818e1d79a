#include "transfer/text_pool.h"

#include <gtest/gtest.h>

#include <string>

namespace understudy {
namespace {

TEST(TextPool, KeepsEachTextOnceAndInItsPlace) {
  TextPool pool;
  const std::string* first = pool.get("hidden1");
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(*pool.get(std::to_string(i)), std::to_string(i));
  EXPECT_EQ(pool.get(std::string("hidden1")), first);
  EXPECT_EQ(*first, "hidden1");
  EXPECT_NE(pool.get("hidden10"), first);
}

TEST(TextPool, HasTheEmptyTextWithoutAPool) {
  EXPECT_TRUE(TextPool::none()->empty());
  EXPECT_EQ(TextPool().get(""), TextPool::none());
}

}  // namespace
}  // namespace understudy
