// The command line's own half: the request that an invocation makes, and how a response is shown. Not thread-safe.
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

/// Reads the server's response lines with `next` until the last and prints them: tables and texts for people, or one
/// JSON array. Memory does not grow with the response. Returns the exit status: 0 done, 1 something failed (said on
/// `errors`), be it that `output` takes no more.
int show_response(const CliRequest& request, const std::function<Result<std::string>()>& next, std::FILE* output,
                  std::FILE* errors);

/// "3h12m", "45s", "9d4h": two units at the most.
std::string duration_text(long long seconds);
/// "1 zone", "12 zones"
std::string count_text(std::size_t count, std::string_view noun);

}  // namespace understudy
