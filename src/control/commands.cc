#include "control/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <nlohmann/json.hpp>
#include <vector>

namespace understudy {
namespace {

using nlohmann::json;

using Output = std::shared_ptr<CommandOutput>;

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

std::string quoted(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

// Members in a fixed order, written directly: listings may have very many rows.
class RowWriter {
 public:
  RowWriter& text(std::string_view key, std::string_view value) { return put(key, quoted(value)); }
  RowWriter& text_or_null(std::string_view key, std::string_view value) {
    return put(key, value.empty() ? "null" : quoted(value));
  }
  RowWriter& number(std::string_view key, std::uint64_t value) { return put(key, fmt::format_int(value).c_str()); }
  RowWriter& time(std::string_view key, WallSeconds at) {
    return put(key, at == 0 ? "null" : fmt::format_int(at).c_str());
  }
  RowWriter& seconds_until(std::string_view key, WallSeconds at, WallSeconds now) {
    return put(key, at == 0 ? "null" : fmt::format_int(std::max<WallSeconds>(0, at - now)).c_str());
  }
  RowWriter& put(std::string_view key, std::string_view value) {
    fmt::format_to(std::back_inserter(members_), R"({}"{}":{})", members_.empty() ? "" : ",", key, value);
    return *this;
  }
  [[nodiscard]] std::string line() const { return fmt::format("{{\"row\":{{{}}}}}\n", members_); }

 private:
  std::string members_;
};

std::string row_line(const ZoneRow& zone, WallSeconds now) {
  RowWriter row;
  row.text("name", zone.name.text()).text("type", zone.type).text("state", zone.state).text("activity", zone.activity);
  row.put("serial", zone.serial ? fmt::format_int(*zone.serial).c_str() : "null");
  row.number("records", zone.records).number("memory", zone.memory).text_or_null("primary", zone.primary);
  row.time("last_check", zone.last_check).time("last_confirmed", zone.last_confirmed);
  row.time("next_check", zone.next_check).seconds_until("next_check_in", zone.next_check, now);
  row.time("expires_at", zone.expires_at).seconds_until("expires_in", zone.expires_at, now);
  row.text_or_null("last_error", zone.last_error);
  row.number("checks", zone.checks).number("transfers", zone.transfers).number("failures", zone.failures);
  return row.line();
}

struct Request {
  std::string command;
  std::vector<Name> zones;
  std::string state;  // listings: only zones in this state
  bool wait = true;
};

Result<std::string> text_at(const json& request, const char* key) {
  const auto at = request.find(key);
  if (at == request.end()) return std::string();
  if (!at->is_string()) return fail(Errc::usage, fmt::format("{} must be a text", key));
  return at->get<std::string>();
}

Result<std::vector<Name>> zones_at(const json& request) {
  std::vector<Name> names;
  const auto zones = request.find("zones");
  if (zones == request.end()) return names;
  if (!zones->is_array()) return fail(Errc::usage, "zones must be a list of names");
  names.reserve(zones->size());
  for (const auto& zone : *zones) {
    if (!zone.is_string()) return fail(Errc::usage, "zones must be a list of names");
    const auto text = zone.get<std::string>();
    auto name = Name::parse(text);
    if (!name) return fail(Errc::usage, fmt::format("{} is not a zone name: {}", text, name.error().text()));
    names.push_back(*name);
  }
  return names;
}

Result<Request> read_request(std::string_view text) {
  const json value = json::parse(text, nullptr, false);
  if (!value.is_object()) return fail(Errc::usage, "a request is one JSON object on one line");
  Request request;
  US_ASSIGN(request.command, text_at(value, "command"));
  US_ASSIGN(request.state, text_at(value, "state"));
  if (!request.state.empty() && std::ranges::find(zone_states, request.state) == std::end(zone_states)) {
    return fail(Errc::usage,
                fmt::format("zones have no state {}, only {}", request.state, fmt::join(zone_states, ", ")));
  }
  US_ASSIGN(request.zones, zones_at(value));
  if (const auto wait = value.find("wait"); wait != value.end()) {
    if (!wait->is_boolean()) return fail(Errc::usage, "wait must be true or false");
    request.wait = wait->get<bool>();
  }
  return request;
}

// Said beside the zone's name.
constexpr std::string_view no_such_zone = "this server has no such zone; see `understudy zone list`";

// All zones, a page at a time, so that a million of them neither stall the server nor fill its memory.
void list_all(ServerControl& server, const std::string& state, CommandOutput& output) {
  auto from = std::make_shared<std::optional<Name>>();
  output.stream([&server, from, state](std::string& piece) {
    const auto rows = server.zones(*from, page_size + 1);
    const std::size_t shown = std::min(rows.size(), page_size);
    const WallSeconds now = server.now();
    for (std::size_t i = 0; i < shown; ++i) {
      if (state.empty() || rows[i].state == state) piece += row_line(rows[i], now);
    }
    if (rows.size() <= page_size) {
      piece += last_line();
      return false;
    }
    *from = rows[page_size].name;
    return true;
  });
  output.done();
}

void show_zones(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.empty()) return list_all(server, request.state, *output);
  std::size_t failed = 0;
  for (const Name& name : request.zones) {
    if (const auto zone = server.zone(name); !zone) {
      ++failed;
      output->write(line({{"zone", name.text()}, {"error", no_such_zone}}));
    } else if (request.state.empty() || zone->state == request.state) {
      output->write(row_line(*zone, server.now()));
    }
  }
  finish(*output, failed);
}

void queue_refresh(ServerControl& server, const Request& request, bool whole, CommandOutput& output) {
  std::size_t failed = 0;
  for (const Name& name : request.zones) {
    if (!server.zone(name)) {
      ++failed;
      output.write(line({{"zone", name.text()}, {"error", no_such_zone}}));
      continue;
    }
    server.refresh(name, whole, [](const Result<std::string>&) {});
    output.write(line({{"zone", name.text()}, {"text", "queued"}}));
  }
  finish(output, failed);
}

// Several zones at work at once; the response ends when the last is done, on whichever thread that is.
void refresh(ServerControl& server, const Request& request, bool whole, const Output& output) {
  if (request.zones.empty()) return finish(*output, 1, "which zone? Name at least one");
  if (!request.wait) return queue_refresh(server, request, whole, *output);
  struct Pending {
    std::atomic<std::size_t> left, failed{0};
  };
  auto pending = std::make_shared<Pending>();
  pending->left = request.zones.size();
  for (const Name& name : request.zones) {
    const std::string zone = name.text();
    const auto done = [zone, pending, output](const Result<std::string>& outcome) {
      if (outcome) {
        output->write(line({{"zone", zone}, {"text", *outcome}}));
      } else {
        ++pending->failed;
        output->write(line({{"zone", zone}, {"error", outcome.error().text()}}));
      }
      if (--pending->left == 0) finish(*output, pending->failed);
    };
    if (server.zone(name)) {
      server.refresh(name, whole, done);
    } else {
      ++pending->failed;
      output->write(line({{"zone", zone}, {"error", no_such_zone}}));
      if (--pending->left == 0) finish(*output, pending->failed);
    }
  }
}

void refresh_zones(ServerControl& server, const Request& request, const Output& output) {
  refresh(server, request, false, output);
}

void retransfer_zones(ServerControl& server, const Request& request, const Output& output) {
  refresh(server, request, true, output);
}

void export_zone(ServerControl& server, const Request& request, const Output& output) {
  if (request.zones.size() != 1) return finish(*output, 1, "which zone? Name exactly one");
  auto source = server.export_zone(request.zones[0]);
  if (!source) return finish(*output, 1, source.error().text());
  std::shared_ptr<TextSource> text = std::move(*source);
  output->stream([text](std::string& piece) {
    std::string raw;
    const bool more = text->next(raw);
    if (!raw.empty()) piece += line({{"text", raw}});
    if (!more) piece += last_line();
    return more;
  });
  output->done();
}

void reload(ServerControl& server, const Request& /*request*/, const Output& output) {
  server.reload([output](const Result<std::string>& outcome) {
    if (!outcome) {
      // The mistakes of a file have a line each, which says all.
      const Error& error = outcome.error();
      return finish(*output, 1, error.detail.empty() ? error.text() : error.detail);
    }
    output->write(line({{"text", *outcome}}));
    finish(*output);
  });
}

void stop(ServerControl& server, const Request& /*request*/, const Output& output) {
  output->write(line({{"text", "stopping"}}));
  finish(*output);
  server.stop();
}

struct Command {
  std::string_view name;
  void (*run)(ServerControl&, const Request&, const Output&);
};

constexpr Command commands[] = {
    {"zone list", show_zones},
    {"zone status", show_zones},
    {"zone refresh", refresh_zones},
    {"zone retransfer", retransfer_zones},
    {"zone export", export_zone},
    {"conf reload", reload},
    {"stop", stop},
};

}  // namespace

void run_command(ServerControl& server, std::string_view text, const Output& output) {
  const auto request = read_request(text);
  if (!request) return finish(*output, 1, request.error().text());
  const auto* command = std::ranges::find(commands, request->command, &Command::name);
  if (command != std::end(commands)) return command->run(server, *request, output);
  std::string known;
  for (const auto& each : commands) known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
  finish(*output, 1, fmt::format("there is no command '{}' here, only: {}", request->command, known));
}

}  // namespace understudy
