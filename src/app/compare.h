// `understudy compare`: asks a primary and this server the same questions and says what differs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "control/cli.h"

namespace understudy {

struct CompareRequest {
  std::string zone;
  std::string against;  // ADDRESS[@PORT]; empty: the zone's first primary
  std::string queries;  // a file of questions; "-": standard input; empty: drawn from the zone
  std::string key;      // by whose name questions to the primary are signed; empty: unsigned
  std::size_t limit = 10'000;
  unsigned rate = 1'000;  // questions a second
  bool as_json = false;
};

/// `config`: the file that has the key; may be empty. Exit status: 0 the same, 1 differences, 2 it could not be told.
int compare(const CompareRequest& request, const std::string& config, const CliConnection& server);

}  // namespace understudy
