// A request of the control socket, read from its line of JSON (doc/control-protocol.md). Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/server_control.h"

namespace understudy {

/// Which members a command looks at is its own affair; all are checked.
struct ControlRequest {
  std::string command;
  std::vector<Name> zones;
  bool wait = true;
  ZoneFilter filter;
  std::optional<Name> from;
  std::optional<std::uint64_t> limit;
  std::optional<std::uint32_t> serial, all_of, from_serial, to_serial;
  ZoneTemplate settings;
  bool stored = false;
  bool forget = false;
  bool failed = false;
  std::optional<std::uint64_t> before, id;
  std::string file;
};

/// Errc::usage says what is wrong with it.
Result<ControlRequest> read_control_request(std::string_view line);

}  // namespace understudy
