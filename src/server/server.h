// The server as a whole: owns every part, starts and stops them in order, and applies reloads.
//
// Threads: UDP workers, stream workers, the transfer engine's, RocksDB's, and the control thread, which is the one that
// calls create() and run(). Start: store, sockets, zones, workers, commands; then, once stored zones are loaded,
// `ready`. Stop: HTTP, engine (agents, jobs), workers, zones, store, control socket: it goes last, so its clients see
// the end.
// SIGTERM, SIGINT and SIGHUP are held back from create() until run() can act on them, and from all other threads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "config/parser.h"

namespace understudy {

class Server {
 public:
  /// Opens the store, binds all sockets, and becomes the configured user. Nothing is answered yet. The Error's text is
  /// for the administrator.
  static Result<std::unique_ptr<Server>> create(std::string config_path, LoadedConfig config);
  ~Server();

  /// Serves until SIGTERM, SIGINT or the stop command. SIGHUP reloads. Call once, from the main thread.
  void run();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace understudy
