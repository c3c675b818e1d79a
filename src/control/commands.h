// Every command of the control socket, once: a line of JSON in, lines of JSON out (doc/control-protocol.md).
//
// Runs on the control thread. Commands that take time answer later, from whichever thread knows the outcome; producers
// of long listings run on the control thread and never after the server's loop has ended. A request that makes no sense
// is answered with what is wrong with it.
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

/// `server` outlives the response.
void run_command(ServerControl& server, std::string_view request, const std::shared_ptr<CommandOutput>& output);

}  // namespace understudy
