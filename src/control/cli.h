// The command line's own half: which verbs there are, the request each makes, and how a response is shown.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace understudy {

/// One invocation of `understudy`, parsed.
struct CliRequest {
  std::string command;  // "zone status", "conf check", ...
  std::vector<std::string> zones;
  std::string state;
  bool wait = true;
  bool as_json = false;
  /// The line for the server.
  [[nodiscard]] std::string line() const;
};

/// Reads the server's response lines with `next` until the last and prints them: tables and texts for people, or JSON.
/// Returns the exit status: 0 done, 1 something failed (said on `errors`).
int show_response(const CliRequest& request, const std::function<Result<std::string>()>& next, std::FILE* output,
                  std::FILE* errors);

/// "3h12m", "45s", "9d4h": two units at the most.
std::string duration_text(long long seconds);

}  // namespace understudy
