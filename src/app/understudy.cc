// The command line. Exit status: 0 done, 1 it failed (and says why and what to do), 2 wrong usage.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <optional>

#include "config/parser.h"
#include "control/cli.h"
#include "control/server_control.h"
#include "net/unix_client.h"

namespace understudy {
namespace {

struct Options {
  std::string socket, config;
  std::string output = "text";
  bool no_wait = false;
  std::string file;  // conf check
  CliRequest request;
};

// The mistakes of a configuration have a line each, with file, line and column.
int complain(const Error& error) {
  const bool is_list = error.detail.find('\n') != std::string::npos;
  fmt::print(stderr, "understudy: {}{}\n", is_list ? "the configuration has mistakes\n" : "",
             is_list ? error.detail : error.text());
  return 1;
}

int check_config(const std::string& path) {
  const auto loaded = load_config(path);
  if (!loaded) {
    fmt::print(stderr, "{}\n", loaded.error().detail.empty() ? loaded.error().text() : loaded.error().detail);
    return 1;
  }
  for (const auto& warning : loaded->warnings) fmt::print(stderr, "{}\n", warning);
  fmt::print("{} is good: {}{}\n", path, count_text(loaded->config->zones.size(), "zone"),
             loaded->warnings.empty() ? "" : ", " + count_text(loaded->warnings.size(), "warning"));
  return 0;
}

Result<std::string> socket_path(const Options& options) {
  if (!options.socket.empty()) return options.socket;
  if (options.config.empty()) return ControlConfig{}.socket;
  US_ASSIGN(const LoadedConfig loaded, load_config(options.config));
  return loaded.config->control.socket;
}

int no_connection(Error error, const Options& options) {
  if (error.code == Errc::not_running) {
    error.detail += "; start understudyd";
    if (options.socket.empty() && options.config.empty())
      error.detail += ", or name its --config FILE or its --socket PATH";
  }
  return complain(error);
}

int run_request(const Options& options) {
  const auto path = socket_path(options);
  if (!path) return complain(path.error());
  auto client = UnixClient::connect(*path);
  if (!client) return no_connection(client.error(), options);
  if (const auto sent = client->send_line(options.request.line()); !sent) return complain(sent.error());
  const int status = show_response(options.request, [&] { return client->read_line(); }, stdout, stderr);
  // The server's end of the connection is the last thing that goes away.
  const bool until_stopped = options.request.command == "stop" && options.request.wait && status == 0;
  while (until_stopped && client->read_line()) continue;
  return status;
}

std::string not_a_name(const std::string& text) {
  const auto name = Name::parse(text);
  return name ? "" : fmt::format("{} is not a zone name: {}", text, name.error().text());
}

void add_zone_verbs(CLI::App& app, Options& options) {
  CLI::App* zone = app.add_subcommand("zone", "look at zones and act on them");
  zone->require_subcommand(1);
  const auto add = [&](const char* verb, const char* help, bool needs_zone) {
    CLI::App* command = zone->add_subcommand(verb, help);
    auto* names = command->add_option("ZONE", options.request.zones, "zone names");
    names->check(CLI::Validator(not_a_name, "", "zone name"));
    if (needs_zone) names->required();
    command->callback([&options, verb] { options.request.command = fmt::format("zone {}", verb); });
    return command;
  };
  const auto add_listing = [&](const char* verb, const char* help) {
    add(verb, help, false)
        ->add_option("--state", options.request.state, "only zones in this state")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(zone_states), std::end(zone_states))));
  };
  add_listing("list", "one line a zone");
  add_listing("status", "all that is known of a zone");
  add("refresh", "ask the primaries now (a zone from a file: read it again)", true);
  add("retransfer", "take the whole zone again, whatever its serial", true);
  add("export", "the zone as a zone file, on standard output", true)->get_option("ZONE")->expected(1);
}

}  // namespace
}  // namespace understudy

int main(int argc, char** argv) {
  using namespace understudy;
  Options options;
  CLI::App app{"Talks to a running understudyd, and checks configurations."};
  app.set_version_flag("--version", "understudy " UNDERSTUDY_VERSION);
  app.add_option("-s,--socket", options.socket, "control socket of the server");
  app.add_option("-c,--config", options.config, "configuration of the server, which names its control socket");
  app.add_option("-o,--output", options.output, "text or json")->check(CLI::IsMember({"text", "json"}));
  app.add_flag("--no-wait", options.no_wait, "queue the command and do not wait for its outcome");
  app.require_subcommand(1);
  app.fallthrough();
  add_zone_verbs(app, options);
  CLI::App* conf = app.add_subcommand("conf", "the configuration");
  conf->require_subcommand(1);
  CLI::App* check = conf->add_subcommand("check", "find every mistake in a configuration file; needs no server");
  check->add_option("FILE", options.file, "configuration file")->required();
  check->callback([&] { options.request.command = "conf check"; });
  conf->add_subcommand("reload", "read the configuration again")->callback([&] {
    options.request.command = "conf reload";
  });
  app.add_subcommand("stop", "stop the server and wait until it has stopped")->callback([&] {
    options.request.command = "stop";
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.request.wait = !options.no_wait;
  options.request.as_json = options.output == "json";
  try {
    return options.request.command == "conf check" ? check_config(options.file) : run_request(options);
  } catch (const std::exception& error) {  // no memory
    fmt::print(stderr, "understudy: {}\n", error.what());
    return 1;
  }
}
