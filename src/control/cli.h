// The command line's own half: the requests that an invocation makes, and how responses are shown. Not thread-safe.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace understudy {

/// One invocation of `understudy`, parsed.
struct CliRequest {
  std::string command;  // "zone status", "conf check", ...
  std::vector<std::string> zones;
  std::string state, match, from;
  std::optional<std::uint64_t> limit;
  std::optional<std::uint32_t> serial, all_of, from_serial, to_serial;
  std::string template_name;
  std::vector<std::string> primaries;
  bool stored = false;
  bool forget = false;
  bool failed = false;
  std::optional<std::uint64_t> before, id;
  std::string file;
  bool wait = true;
  bool as_json = false;

  /// The lines for the server, one in most cases. Very many zones are spread over several, each far below the limit of
  /// a request.
  [[nodiscard]] std::vector<std::string> lines() const;
};

/// The two directions of a connection to the server.
struct CliConnection {
  std::function<Result<void>(std::string_view line)> send;
  std::function<Result<std::string>()> next;
};

/// Sends the request, reads each response until its last line and prints them: tables and texts for people, or one JSON
/// array. Memory does not grow with the responses. Returns the exit status: 0 done, 1 something failed (said on
/// `errors`), be it that `output` takes no more.
int run_request(const CliRequest& request, const CliConnection& server, std::FILE* output, std::FILE* errors);

/// Names of zones, one a line; empty lines and what follows a `#` at the start of a line are left out. Errc::usage says
/// in which line of `label` there is none.
Result<std::vector<std::string>> read_zone_names(std::FILE* file, std::string_view label);

/// "3h12m", "45s", "9d4h": two units at the most.
std::string duration_text(long long seconds);
/// "1 zone", "12 zones"
std::string count_text(std::size_t count, std::string_view noun);

}  // namespace understudy
