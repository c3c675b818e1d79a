// The command line. Exit status: 0 done, 1 it failed (and says why and what to do), 2 wrong usage. Of `compare`: 0 the
// same, 1 differences, 2 it could not be told.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <optional>

#include "app/command_line.h"
#include "config/parser.h"
#include "net/unix_client.h"

namespace understudy {
namespace {

constexpr int cannot_tell = 2;  // exit status of `compare`: neither 0, the same, nor 1, differences

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

Result<std::string> socket_path(const CommandLine& line) {
  if (!line.socket.empty()) return line.socket;
  if (line.config.empty()) return ControlConfig{}.socket;
  US_ASSIGN(const LoadedConfig loaded, load_config(line.config));
  return loaded.config->control.socket;
}

int no_connection(Error error, const CommandLine& line) {
  if (error.code == Errc::not_running) {
    error.detail += "; start understudyd";
    if (line.socket.empty() && line.config.empty()) error.detail += ", or name its --config FILE or its --socket PATH";
  }
  return complain(error);
}

// Names may come from a file, and `-` among them stands for standard input.
Result<void> add_listed_zones(CommandLine& line) {
  auto& zones = line.request.zones;
  std::vector<std::string> paths = line.name_files;
  if (std::erase(zones, "-") != 0) paths.emplace_back("-");
  for (const auto& path : paths) {
    const bool standard = path == "-";
    std::FILE* file = standard ? stdin : std::fopen(path.c_str(), "re");
    if (file == nullptr) return fail(Errc::io, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
    auto names = read_zone_names(file, standard ? "standard input" : path);
    if (!standard) std::fclose(file);
    if (!names) return std::unexpected(std::move(names).error());
    zones.insert(zones.end(), std::make_move_iterator(names->begin()), std::make_move_iterator(names->end()));
  }
  if (!paths.empty() && zones.empty()) return fail(Errc::usage, fmt::format("{}: there is no name in it", paths[0]));
  return {};
}

int talk_to_server(CommandLine& line) {
  if (const auto listed = add_listed_zones(line); !listed) return complain(listed.error());
  // The server reads it, and has a working directory of its own.
  auto& file = line.request.file;
  if (!file.empty()) file = std::filesystem::absolute(file).string();
  const bool compares = line.request.command == "compare";
  const int failed = compares ? cannot_tell : 1;
  const auto path = socket_path(line);
  if (!path) return complain(path.error()), failed;
  auto client = UnixClient::connect(*path);
  if (!client) return no_connection(client.error(), line), failed;
  const CliConnection server{[&](std::string_view request) { return client->send_line(request); },
                             [&] { return client->read_line(); }};
  if (compares) return compare(line.compare, line.config, server);
  const int status = run_request(line.request, server, stdout, stderr);
  // The server's end of the connection is the last thing that goes away.
  const bool until_stopped = line.request.command == "stop" && line.request.wait && status == 0;
  while (until_stopped && client->read_line()) continue;
  return status;
}

}  // namespace
}  // namespace understudy

int main(int argc, char** argv) {
  using namespace understudy;
  CommandLine line;
  if (const auto status = parse_command_line(argc, argv, line)) return *status;
  try {
    return line.request.command == "conf check" ? check_config(line.request.file) : talk_to_server(line);
  } catch (const std::exception& error) {  // no memory
    fmt::print(stderr, "understudy: {}\n", error.what());
    return 1;
  }
}
