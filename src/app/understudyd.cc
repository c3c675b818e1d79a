// The server program. Exit status: 0 stopped as asked, 1 could not start, 2 wrong usage.
#include <CLI/CLI.hpp>
#include <csignal>

#include "base/log.h"
#include "server/server.h"

int main(int argc, char** argv) {
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
  auto config = understudy::load_config(path);
  if (!config) {
    understudy::log_error("cannot start: {}",
                          config.error().detail.empty() ? config.error().text() : config.error().detail);
    return 1;
  }
  auto server = understudy::Server::create(path, std::move(*config));
  if (!server) {
    understudy::log_error("cannot start: {}", server.error().text());
    return 1;
  }
  (*server)->run();
  return 0;
}
