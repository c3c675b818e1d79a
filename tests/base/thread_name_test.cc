#include "base/thread_name.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <thread>

namespace understudy {
namespace {

std::string name_that_the_system_shows() {
  std::ifstream file("/proc/thread-self/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

TEST(ThreadName, IsShownForThatThreadAlone) {
  const std::string before = name_that_the_system_shows();
  std::string shown;
  std::thread([&] {
    name_this_thread("us-test");
    shown = name_that_the_system_shows();
  }).join();
  EXPECT_EQ(shown, "us-test");
  EXPECT_EQ(name_that_the_system_shows(), before);
}

}  // namespace
}  // namespace understudy
