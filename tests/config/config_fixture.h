// Short forms for tests of the configuration. The file is called "c" and lies in /etc/us.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/parser.h"

namespace understudy {

inline std::shared_ptr<const Config> parsed(std::string_view text) {
  auto loaded = parse_config(text, "c", "/etc/us");
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
  return loaded ? loaded->config : std::make_shared<const Config>();
}

/// All mistakes, one a line; empty if there is none.
inline std::string mistakes(std::string_view text) {
  const auto loaded = parse_config(text, "c", "/etc/us");
  return loaded ? "" : loaded.error().detail;
}

inline std::vector<std::string> warnings(std::string_view text) {
  const auto loaded = parse_config(text, "c", "/etc/us");
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().detail);
  return loaded ? loaded->warnings : std::vector<std::string>{};
}

inline Name name_of(std::string_view text) {
  return Name::parse(text).value();
}

}  // namespace understudy
