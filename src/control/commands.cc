#include "control/commands.h"

#include <fmt/format.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <vector>

namespace understudy {
namespace {

using nlohmann::json;

constexpr std::size_t page_size = 500;  // zones a piece of a listing

std::string line(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string last_line(std::size_t failed = 0, std::string_view error = {}) {
  json last{{"done", true}, {"failed", failed}};
  if (!error.empty()) last["error"] = error;
  return line(last);
}

void finish(CommandOutput& output, std::size_t failed = 0, std::string_view error = {}) {
  output.write(last_line(failed, error));
  output.done();
}

json time_or_null(WallSeconds at) {
  return at == 0 ? json(nullptr) : json(at);
}

json row_of(const ZoneRow& zone, WallSeconds now) {
  const bool never_expires = zone.expires_at == 0;
  return {
      {"name", zone.name},
      {"type", zone.type},
      {"state", zone.state},
      {"activity", zone.activity},
      {"serial", zone.serial ? json(*zone.serial) : json(nullptr)},
      {"records", zone.records},
      {"memory", zone.memory},
      {"primary", zone.primary.empty() ? json(nullptr) : json(zone.primary)},
      {"last_check", time_or_null(zone.last_check)},
      {"last_confirmed", time_or_null(zone.last_confirmed)},
      {"next_check", time_or_null(zone.next_check)},
      {"next_check_in", zone.next_check == 0 ? json(nullptr) : json(std::max<WallSeconds>(0, zone.next_check - now))},
      {"expires_at", time_or_null(zone.expires_at)},
      {"expires_in", never_expires ? json(nullptr) : json(std::max<WallSeconds>(0, zone.expires_at - now))},
      {"last_error", zone.last_error.empty() ? json(nullptr) : json(zone.last_error)},
      {"checks", zone.checks},
      {"transfers", zone.transfers},
      {"failures", zone.failures}};
}

struct Request {
  std::string command;
  std::vector<Name> zones;
  std::string state;  // listings: only zones in this state
  bool wait = true;
};

Result<Request> read_request(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::usage, "a request is one JSON object on one line");
  Request request;
  const auto text_at = [&](const char* key) {
    const auto at = value.find(key);
    return at != value.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  request.command = text_at("command");
  request.state = text_at("state");
  if (const auto wait = value.find("wait"); wait != value.end() && wait->is_boolean()) request.wait = wait->get<bool>();
  if (const auto zones = value.find("zones"); zones != value.end()) {
    if (!zones->is_array()) return fail(Errc::usage, "zones must be a list of names");
    for (const auto& zone : *zones) {
      if (!zone.is_string()) return fail(Errc::usage, "zones must be a list of names");
      auto name = Name::parse(zone.get<std::string>());
      if (!name)
        return fail(Errc::usage,
                    fmt::format("{} is not a zone name: {}", zone.get<std::string>(), name.error().text()));
      request.zones.push_back(*name);
    }
  }
  return request;
}

std::string no_such_zone(NameView name) {
  return fmt::format("zone {} is not configured on this server", name.text());
}

// All zones, a page at a time, so that a million of them neither stall the server nor fill its memory.
void list_all(ServerControl& server, const std::string& state, CommandOutput& output) {
  struct Listing {
    std::optional<Name> from;
    bool begun = false;
  };
  auto listing = std::make_shared<Listing>();
  output.stream([&server, listing, state](std::string& piece) {
    const auto rows = server.zones(listing->from, page_size + 1);
    const std::size_t shown = std::min(rows.size(), page_size);
    const WallSeconds now = server.now();
    for (std::size_t i = 0; i < shown; ++i) {
      if (state.empty() || rows[i].state == state) piece += line({{"row", row_of(rows[i], now)}});
    }
    if (rows.size() <= page_size) {
      piece += last_line();
      return false;
    }
    if (auto next = Name::parse(rows[page_size].name)) listing->from = *next;
    return true;
  });
  output.done();
}

void show_zones(ServerControl& server, const Request& request, CommandOutput& output) {
  if (request.zones.empty()) return list_all(server, request.state, output);
  std::size_t failed = 0;
  for (const Name& name : request.zones) {
    if (const auto zone = server.zone(name)) {
      output.write(line({{"row", row_of(*zone, server.now())}}));
    } else {
      ++failed;
      output.write(line({{"error", no_such_zone(name)}, {"zone", name.text()}}));
    }
  }
  finish(output, failed);
}

// Several zones at work at once; the response ends when the last is done.
void refresh(ServerControl& server, const Request& request, bool whole, const std::shared_ptr<CommandOutput>& output) {
  if (request.zones.empty()) return finish(*output, 1, "which zone? Name at least one");
  struct Pending {
    std::atomic<std::size_t> left, failed{0};
  };
  auto pending = std::make_shared<Pending>();
  pending->left = request.zones.size();
  for (const Name& name : request.zones) {
    const std::string zone = name.text();
    if (!request.wait) {
      server.refresh(name, whole, [](const Result<std::string>&) {});
      const bool known = server.zone(name).has_value();
      output->write(known ? line({{"zone", zone}, {"text", "queued"}})
                          : line({{"zone", zone}, {"error", no_such_zone(name)}}));
      if (!known) ++pending->failed;
      if (--pending->left == 0) finish(*output, pending->failed);
      continue;
    }
    server.refresh(name, whole, [zone, pending, output](const Result<std::string>& outcome) {
      if (outcome) {
        output->write(line({{"zone", zone}, {"text", *outcome}}));
      } else {
        ++pending->failed;
        output->write(line({{"zone", zone}, {"error", outcome.error().text()}}));
      }
      if (--pending->left == 0) finish(*output, pending->failed);
    });
  }
}

void export_zone(ServerControl& server, const Request& request, CommandOutput& output) {
  if (request.zones.size() != 1) return finish(output, 1, "which zone? Name exactly one");
  auto source = server.export_zone(request.zones[0]);
  if (!source) return finish(output, 1, source.error().text());
  std::shared_ptr<TextSource> text = std::move(*source);
  output.stream([text](std::string& piece) {
    std::string raw;
    const bool more = text->next(raw);
    if (!raw.empty()) piece += line({{"text", raw}});
    if (!more) piece += last_line();
    return more;
  });
  output.done();
}

void reload(ServerControl& server, const std::shared_ptr<CommandOutput>& output) {
  server.reload([output](const Result<std::string>& outcome) {
    if (!outcome)
      return finish(*output, 1, outcome.error().detail.empty() ? outcome.error().text() : outcome.error().detail);
    output->write(line({{"text", *outcome}}));
    finish(*output);
  });
}

}  // namespace

void run_command(ServerControl& server, std::string_view text, const std::shared_ptr<CommandOutput>& output) {
  const auto request = read_request(text);
  if (!request) return finish(*output, 1, request.error().text());
  const std::string& command = request->command;
  if (command == "zone list" || command == "zone status") return show_zones(server, *request, *output);
  if (command == "zone refresh") return refresh(server, *request, false, output);
  if (command == "zone retransfer") return refresh(server, *request, true, output);
  if (command == "zone export") return export_zone(server, *request, *output);
  if (command == "conf reload") return reload(server, output);
  if (command == "stop") {
    output->write(line({{"text", "stopping"}}));
    finish(*output);
    return server.stop();
  }
  finish(*output, 1, "unknown command " + command);
}

}  // namespace understudy
