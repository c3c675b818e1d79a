// Every command of the control socket, once: a line of JSON in, lines of JSON out (doc/control-protocol.md).
//
// Request:  {"command": "zone status", "zones": ["example."], "wait": true}
// Response: any number of {"row": {...}} or {"text": "..."} lines, then {"done": true, "failed": 0} - or
//           {"done": true, "failed": n, "error": "..."}.
// Runs on the control thread; commands that take time answer later.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "control/server_control.h"

namespace understudy {

/// Where a command writes its response; thread-safe, may outlive the connection.
class CommandOutput {
 public:
  virtual ~CommandOutput() = default;
  virtual void write(std::string_view text) = 0;
  /// Streams: `produce` appends the next piece and returns true if there is more.
  virtual void stream(std::function<bool(std::string&)> produce) = 0;
  virtual void done() = 0;
};

void run_command(ServerControl& server, std::string_view request, const std::shared_ptr<CommandOutput>& output);

}  // namespace understudy
