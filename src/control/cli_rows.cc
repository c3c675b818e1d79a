#include "control/cli_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

#include "control/cli.h"

namespace understudy {
namespace {

using json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

// What the server passes on from others must not steer the terminal. Line ends are ours.
std::string harmless(std::string text) {
  for (char& c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && c != '\n' && c != '\t') || octet == 0x7f) c = '?';
  }
  return text;
}

std::string text_of(const json& row, const char* key) {
  return member_text(row, key);
}

// A whole number of seconds, if there is one.
std::optional<std::int64_t> seconds_of(const json& row, const char* key) {
  const auto at = row.find(key);
  if (at == row.end() || !at->is_number_integer()) return std::nullopt;
  return at->get<std::int64_t>();
}

std::string in_text(const json& row, const char* key) {
  const auto seconds = seconds_of(row, key);
  return seconds ? duration_text(*seconds) : "-";
}

std::string time_text(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

std::string when_text(const json& row, const char* key, std::string_view never = "never") {
  const auto seconds = seconds_of(row, key);
  return seconds ? time_text(*seconds) : std::string(never);
}

bool is_true(const json& row, const char* key) {
  const auto at = row.find(key);
  return at != row.end() && at->is_boolean() && at->get<bool>();
}

const json& list_at(const json& row, const char* key) {
  static const json none = json::array();
  const auto at = row.find(key);
  return at != row.end() && at->is_array() ? *at : none;
}

// "1 record", "12 records"
std::string counted(const json& row, const char* key, std::string_view noun) {
  const auto at = row.find(key);
  return count_text(at != row.end() && at->is_number_unsigned() ? at->get<std::size_t>() : 0, noun);
}

// "7", "7 -> 9": what a transfer led to.
std::string serials_text(const json& row) {
  const std::string ours = text_of(row, "ours"), received = text_of(row, "received");
  if (received == "-") return ours;
  return ours == "-" ? received : fmt::format("{} -> {}", ours, received);
}

// A text of several lines in a column: the first line.
std::string first_line(std::string text) {
  if (const auto end = text.find('\n'); end != std::string::npos) text.resize(end);
  return text;
}

Row zone_columns(const json& zone) {
  return {text_of(zone, "name"),      text_of(zone, "state"),   text_of(zone, "serial"),
          text_of(zone, "records"),   text_of(zone, "primary"), in_text(zone, "next_check_in"),
          in_text(zone, "expires_in")};
}

Row stored_columns(const json& zone) {
  return {text_of(zone, "name"), text_of(zone, "serial"), text_of(zone, "records"), text_of(zone, "octets"),
          text_of(zone, "primary")};
}

Row history_columns(const json& version) {
  const bool known = text_of(version, "from") != "-";
  const auto of_difference = [&](const char* key) { return known ? text_of(version, key) : "-"; };
  return {text_of(version, "serial") + (is_true(version, "current") ? " (current)" : ""),
          when_text(version, "at", "-"),
          text_of(version, "from"),
          of_difference("removed"),
          of_difference("added"),
          of_difference("size")};
}

Row transfer_columns(const json& transfer) {
  return {text_of(transfer, "id"),      when_text(transfer, "at", "-"),
          text_of(transfer, "zone"),    text_of(transfer, "primary"),
          text_of(transfer, "asked"),   text_of(transfer, "came"),
          serials_text(transfer),       text_of(transfer, "records"),
          text_of(transfer, "seconds"), is_true(transfer, "ok") ? "ok" : first_line(text_of(transfer, "reason"))};
}

Row catalog_columns(const json& catalog) {
  return {text_of(catalog, "name"),
          text_of(catalog, "state"),
          text_of(catalog, "serial"),
          text_of(catalog, "members"),
          text_of(catalog, "kept"),
          text_of(catalog, "conflict_count"),
          first_line(text_of(catalog, "reason"))};
}

// Lines of "  label   value".
class Page {
 public:
  explicit Page(std::string title) : text_(std::move(title) + "\n") {}
  Page& field(std::string_view label, std::string_view value) {
    fmt::format_to(std::back_inserter(text_), "  {:<12} {}\n", label, value);
    return *this;
  }
  Page& line(std::string_view value) {
    fmt::format_to(std::back_inserter(text_), "  {}\n", value);
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string zone_page(const json& zone) {
  const std::string type = text_of(zone, "type");
  Page page(text_of(zone, "name"));
  const std::string activity = text_of(zone, "activity");
  page.field("state", text_of(zone, "state") + (activity == "idle" || activity == "-" ? "" : ", " + activity));
  const std::string origin = text_of(zone, "origin");
  if (origin != "configuration" && origin != "-") {
    page.field("origin", origin == "command" ? "zone add" : "catalog " + origin);
  }
  page.field("serial", text_of(zone, "serial")).field("records", text_of(zone, "records"));
  page.field("memory", text_of(zone, "memory") + " octets");
  page.field(type == "file" ? "file" : "primary", text_of(zone, "primary"));
  page.field("last check", when_text(zone, "last_check")).field("confirmed", when_text(zone, "last_confirmed"));
  if (type != "file") {
    const std::string in = in_text(zone, "next_check_in");
    page.field("next check", in == "-" ? "-" : when_text(zone, "next_check") + " (in " + in + ")");
    page.field("expires in", in_text(zone, "expires_in"));
  }
  const auto count = [&](const char* key, std::string_view noun) { return counted(zone, key, noun); };
  page.field("since start", fmt::format("{}, {}, {}", count("checks", "check"), count("transfers", "transfer"),
                                        count("failures", "failure")));
  return page.field("last error", text_of(zone, "last_error")).take();
}

std::string transfer_page(const json& transfer) {
  Page page("transfer " + text_of(transfer, "id"));
  page.field("zone", text_of(transfer, "zone")).field("began", when_text(transfer, "at", "-"));
  page.field("took", text_of(transfer, "seconds") + " s");
  page.field("primary", fmt::format("{}, {} by {}", text_of(transfer, "primary"), text_of(transfer, "address"),
                                    text_of(transfer, "transport")));
  page.field("key", text_of(transfer, "key")).field("asked for", text_of(transfer, "asked"));
  page.field("came", text_of(transfer, "came"));
  page.field("serials", fmt::format("ours {}, announced {}, received {}", text_of(transfer, "ours"),
                                    text_of(transfer, "announced"), text_of(transfer, "received")));
  page.field("amount", fmt::format("{}, {}, {}", counted(transfer, "messages", "message"),
                                   counted(transfer, "records", "record"), counted(transfer, "octets", "octet")));
  page.field("result", text_of(transfer, "result"));
  if (is_true(transfer, "ok")) return page.take();
  page.field("reason", text_of(transfer, "reason"));
  for (const auto& each : list_at(transfer, "exchange")) {
    if (each.is_string()) page.line(harmless(each.get<std::string>()));
  }
  return page.take();
}

std::string catalog_page(const json& catalog) {
  const std::string name = text_of(catalog, "name"), state = text_of(catalog, "state");
  Page page(name);
  page.field("state", state).field("serial", text_of(catalog, "serial"));
  page.field("members", text_of(catalog, "members"));
  page.field("kept", text_of(catalog, "kept") + " removed, not yet purged");
  if (state != "ok") page.field("reason", text_of(catalog, "reason"));
  if (state == "held") {
    const std::string held = text_of(catalog, "held_serial"), all_of = text_of(catalog, "accept_all_of");
    page.field("held since", when_text(catalog, "held_since"));
    page.field("update",
               fmt::format("{}adds {} and removes {}", held == "-" ? "" : fmt::format("serial {} ", held),
                           counted(catalog, "held_added", "member"), counted(catalog, "held_removed", "member")));
    const std::string option = held != "-" ? " --serial " + held : (all_of != "-" ? " --all-of " + all_of : "");
    page.field("to apply it", fmt::format("understudy catalog accept {}{}", name, option));
  }
  page.field("conflicts", text_of(catalog, "conflict_count"));
  for (const auto& each : list_at(catalog, "conflicts")) {
    if (!each.is_object()) continue;
    const std::string owner = text_of(each, "owner");
    const bool other_catalog = owner != "configuration" && owner != "command";
    page.line(fmt::format("{} is kept by {}", text_of(each, "zone"),
                          owner == "command" ? "a command" : (other_catalog ? "catalog " : "the ") + owner));
  }
  return page.take();
}

}  // namespace

std::string member_text(const json& row, const char* key) {
  const auto at = row.find(key);
  if (at == row.end() || at->is_null()) return "-";
  if (at->is_string()) return harmless(at->get<std::string>());
  return at->dump(-1, ' ', false, json::error_handler_t::replace);
}

const TableForm* table_form(std::string_view command) {
  static const TableForm forms[] = {
      {"zone list", {"ZONE", "STATE", "SERIAL", "RECORDS", "PRIMARY", "NEXT CHECK", "EXPIRES IN"}, zone_columns},
      {"zone list --stored", {"ZONE", "SERIAL", "RECORDS", "OCTETS", "FROM"}, stored_columns},
      {"zone history", {"SERIAL", "TAKEN", "FROM", "REMOVED", "ADDED", "OCTETS"}, history_columns},
      {"transfer list",
       {"ID", "BEGAN", "ZONE", "PRIMARY", "ASKED", "CAME", "SERIALS", "RECORDS", "SECONDS", "RESULT"},
       transfer_columns},
      {"catalog list", {"CATALOG", "STATE", "SERIAL", "MEMBERS", "KEPT", "CONFLICTS", "REASON"}, catalog_columns},
  };
  const auto* found = std::ranges::find(forms, command, &TableForm::command);
  return found == std::end(forms) ? nullptr : found;
}

std::string page_text(std::string_view command, const json& row) {
  if (!row.is_object()) return "";
  if (command == "zone diff") {
    return fmt::format("{} {}\n", text_of(row, "change") == "added" ? '+' : '-', text_of(row, "record"));
  }
  if (command == "transfer explain") return transfer_page(row);
  return command == "catalog status" ? catalog_page(row) : zone_page(row);
}

}  // namespace understudy
