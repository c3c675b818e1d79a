// The server program. Exit status: 0 stopped as asked, 1 could not start, 2 wrong usage.
#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>

#include "base/log.h"
#include "server/process.h"
#include "server/server.h"

// For jemalloc: what is not needed any more goes back to the system also where nothing happens that could tell so.
extern "C" const char* malloc_conf = "background_thread:true";

namespace understudy {
namespace {

int serve(const std::string& path) {
  auto config = load_config(path);
  if (!config) {
    // The mistakes of a file have a line each, which says all.
    const Error& error = config.error();
    log_error("cannot start: {}", error.detail.empty() ? error.text() : error.detail);
    return 1;
  }
  auto server = Server::create(path, std::move(*config));
  if (!server) {
    log_error("cannot start: {}", server.error().text());
    return 1;
  }
  (*server)->run();
  return 0;
}

}  // namespace
}  // namespace understudy

int main(int argc, char** argv) {
  understudy::open_standard_files();
  CLI::App app{"Understudy, a secondary authoritative DNS server. Runs in the foreground and logs to standard error."};
  std::string path = "/etc/understudy/understudy.yaml";
  app.add_option("-c,--config", path, "configuration file")->capture_default_str();
  app.set_version_flag("--version", "understudyd " UNDERSTUDY_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return understudy::serve(path);
  } catch (const std::exception& error) {  // no memory, no more threads
    understudy::log_error("cannot go on: {}", error.what());
    return 1;
  }
}
