#include "control/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

namespace understudy {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

std::string text_of(const json& row, const char* key) {
  const auto at = row.find(key);
  if (at == row.end() || at->is_null()) return "-";
  if (at->is_string()) return at->get<std::string>();
  return at->dump();
}

std::string in_text(const json& row, const char* key) {
  const auto at = row.find(key);
  return at == row.end() || !at->is_number() ? "-" : duration_text(at->get<long long>());
}

std::string when_text(const json& row, const char* key) {
  const auto at = row.find(key);
  if (at == row.end() || !at->is_number()) return "never";
  const std::time_t time = at->get<long long>();
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

void print_table(const std::vector<Row>& rows, std::FILE* output) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    fmt::print(output, "{}\n", text);
  }
}

Row list_row(const json& zone) {
  return {text_of(zone, "name"),      text_of(zone, "state"),   text_of(zone, "serial"),
          text_of(zone, "records"),   text_of(zone, "primary"), in_text(zone, "next_check_in"),
          in_text(zone, "expires_in")};
}

void print_status(const json& zone, std::FILE* output) {
  fmt::print(output, "{}\n", text_of(zone, "name"));
  const auto field = [&](const char* label, const std::string& value) {
    fmt::print(output, "  {:<12} {}\n", label, value);
  };
  const std::string activity = text_of(zone, "activity");
  field("state", text_of(zone, "state") + (activity == "idle" || activity == "-" ? "" : ", " + activity));
  field("serial", text_of(zone, "serial"));
  field("records", text_of(zone, "records"));
  field(text_of(zone, "type") == "file" ? "file" : "primary", text_of(zone, "primary"));
  field("last check", when_text(zone, "last_check"));
  field("confirmed", when_text(zone, "last_confirmed"));
  field("next check", when_text(zone, "next_check") + " (in " + in_text(zone, "next_check_in") + ")");
  field("expires in", in_text(zone, "expires_in"));
  field("last error", text_of(zone, "last_error"));
}

// One invocation's output: collects what must be aligned or wrapped, passes on what need not.
class Shown {
 public:
  Shown(const CliRequest& request, std::FILE* output, std::FILE* errors)
      : request_(request), output_(output), errors_(errors) {}

  void begin() {
    if (request_.as_json && request_.command != "zone export") fmt::print(output_, "[");
    if (!request_.as_json && request_.command == "zone list") {
      rows_.push_back({"ZONE", "STATE", "SERIAL", "RECORDS", "PRIMARY", "NEXT CHECK", "EXPIRES IN"});
    }
  }
  void take(const json& answer) {
    if (answer.contains("row")) return take_row(answer["row"]);
    const std::string prefix = answer.contains("zone") ? text_of(answer, "zone") + ": " : "";
    if (answer.contains("error")) {
      fmt::print(errors_, "understudy: {}{}\n", prefix, text_of(answer, "error"));
      if (request_.as_json) element(answer);
      return;
    }
    const std::string text = text_of(answer, "text");
    if (request_.command == "zone export") {
      fmt::print(output_, "{}", text);
    } else if (request_.as_json) {
      element(answer);
    } else {
      fmt::print(output_, "{}{}\n", prefix, text);
    }
  }
  void end() {
    if (!rows_.empty()) print_table(rows_, output_);
    if (request_.as_json && request_.command != "zone export") fmt::print(output_, "{}]\n", any_ ? "\n" : "");
    std::fflush(output_);
  }

 private:
  void element(const json& value) {
    fmt::print(output_, "{}\n  {}", any_ ? "," : "", value.dump());
    any_ = true;
  }
  void take_row(const json& row) {
    if (request_.as_json) return element(row);
    if (request_.command == "zone list") {
      rows_.push_back(list_row(row));
    } else {
      print_status(row, output_);
    }
  }

  const CliRequest& request_;
  std::FILE* const output_;
  std::FILE* const errors_;
  std::vector<Row> rows_;
  bool any_ = false;
};

}  // namespace

std::string duration_text(long long seconds) {
  struct Unit {
    long long size;
    char letter;
  };
  constexpr std::array<Unit, 4> units{{{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};
  for (std::size_t i = 0; i + 1 < units.size(); ++i) {
    if (seconds < units[i].size) continue;
    const long long rest = seconds % units[i].size / units[i + 1].size;
    const std::string first = fmt::format("{}{}", seconds / units[i].size, units[i].letter);
    return rest == 0 ? first : fmt::format("{}{}{}", first, rest, units[i + 1].letter);
  }
  return fmt::format("{}s", seconds);
}

std::string CliRequest::line() const {
  json value{{"command", command}, {"wait", wait}};
  if (!zones.empty()) value["zones"] = zones;
  if (!state.empty()) value["state"] = state;
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

int show_response(const CliRequest& request, const std::function<Result<std::string>()>& next, std::FILE* output,
                  std::FILE* errors) {
  Shown shown(request, output, errors);
  shown.begin();
  while (true) {
    const auto text = next();
    if (!text) {
      shown.end();
      fmt::print(errors, "understudy: the server's answer is incomplete: {}\n", text.error().text());
      return 1;
    }
    const json answer = json::parse(*text, nullptr, false);
    if (!answer.is_object()) {
      shown.end();
      fmt::print(errors, "understudy: the server's answer is not of this protocol; is it the same version?\n");
      return 1;
    }
    if (!answer.contains("done")) {
      shown.take(answer);
      continue;
    }
    shown.end();
    if (answer.contains("error")) fmt::print(errors, "understudy: {}\n", text_of(answer, "error"));
    return answer.contains("error") || answer.value("failed", 0) != 0 ? 1 : 0;
  }
}

}  // namespace understudy
