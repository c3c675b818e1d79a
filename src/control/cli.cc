#include "control/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

namespace understudy {
namespace {

using json = nlohmann::ordered_json;  // members stay in the server's order
using Row = std::vector<std::string>;

constexpr std::size_t rows_at_once = 1000;  // that are aligned with each other

// What the server passes on from others must not steer the terminal. Line ends are ours.
std::string harmless(std::string text) {
  for (char& c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && c != '\n' && c != '\t') || octet == 0x7f) c = '?';
  }
  return text;
}

std::string text_of(const json& row, const char* key) {
  const auto at = row.find(key);
  if (at == row.end() || at->is_null()) return "-";
  if (at->is_string()) return harmless(at->get<std::string>());
  return at->dump();
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

std::string when_text(const json& row, const char* key) {
  const auto seconds = seconds_of(row, key);
  if (!seconds) return "never";
  const std::time_t time = *seconds;
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return std::to_string(*seconds);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), size};
}

// fmt::print throws where a disk is full; here the stream remembers, and the end looks.
void put(std::FILE* file, std::string_view text) {
  (void)std::fwrite(text.data(), 1, text.size(), file);
}

// Rows in aligned columns. Columns only grow, so a long listing is printed in parts.
class Table {
 public:
  explicit Table(std::FILE* output) : output_(output) {}

  void add(Row row) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
    rows_.push_back(std::move(row));
    if (rows_.size() == rows_at_once) print();
  }
  void print() {
    for (const Row& row : rows_) {
      std::string text;
      for (std::size_t i = 0; i < row.size(); ++i) {
        text += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths_[i]);
      }
      put(output_, text + "\n");
    }
    rows_.clear();
  }

 private:
  std::FILE* const output_;
  std::vector<std::size_t> widths_;
  std::vector<Row> rows_;
};

Row list_row(const json& zone) {
  return {text_of(zone, "name"),      text_of(zone, "state"),   text_of(zone, "serial"),
          text_of(zone, "records"),   text_of(zone, "primary"), in_text(zone, "next_check_in"),
          in_text(zone, "expires_in")};
}

std::string status_text(const json& zone) {
  const bool file = text_of(zone, "type") == "file";
  std::string out = text_of(zone, "name") + "\n";
  const auto field = [&](const char* label, const std::string& value) {
    out += fmt::format("  {:<12} {}\n", label, value);
  };
  const std::string activity = text_of(zone, "activity");
  field("state", text_of(zone, "state") + (activity == "idle" || activity == "-" ? "" : ", " + activity));
  field("serial", text_of(zone, "serial"));
  field("records", text_of(zone, "records"));
  field("memory", text_of(zone, "memory") + " octets");
  field(file ? "file" : "primary", text_of(zone, "primary"));
  field("last check", when_text(zone, "last_check"));
  field("confirmed", when_text(zone, "last_confirmed"));
  if (!file) {
    const std::string in = in_text(zone, "next_check_in");
    field("next check", in == "-" ? "-" : when_text(zone, "next_check") + " (in " + in + ")");
    field("expires in", in_text(zone, "expires_in"));
  }
  const auto count = [&](const char* key, std::string_view noun) {
    const auto at = zone.find(key);
    return count_text(at != zone.end() && at->is_number_unsigned() ? at->get<std::size_t>() : 0, noun);
  };
  field("since start", fmt::format("{}, {}, {}", count("checks", "check"), count("transfers", "transfer"),
                                   count("failures", "failure")));
  field("last error", text_of(zone, "last_error"));
  return out;
}

// One invocation's output: aligns what must be aligned, passes on what need not.
class Shown {
 public:
  Shown(const CliRequest& request, std::FILE* output, std::FILE* errors)
      : request_(request),
        json_(request.as_json && request.command != "zone export"),
        output_(output),
        errors_(errors),
        table_(output) {}

  void begin() {
    if (json_) put(output_, "[");
    if (!json_ && request_.command == "zone list") {
      table_.add({"ZONE", "STATE", "SERIAL", "RECORDS", "PRIMARY", "NEXT CHECK", "EXPIRES IN"});
    }
  }
  void take(const json& answer) {
    if (const auto row = answer.find("row"); row != answer.end()) return take_row(*row);
    const std::string prefix = answer.contains("zone") ? text_of(answer, "zone") + ": " : "";
    if (answer.contains("error")) complain(prefix + text_of(answer, "error"));
    if (json_) return element(answer);
    if (answer.contains("error")) return;
    if (request_.command == "zone export") {
      const auto text = answer.find("text");
      if (text != answer.end() && text->is_string()) put(output_, text->get_ref<const std::string&>());
    } else {
      put(output_, prefix + text_of(answer, "text") + "\n");
    }
  }
  /// False if the output did not take everything.
  bool end() {
    table_.print();
    if (json_) put(output_, any_ ? "\n]\n" : "]\n");
    if (std::fflush(output_) == 0 && std::ferror(output_) == 0) return true;
    complain(fmt::format("cannot write the output: {}", std::strerror(errno)));
    return false;
  }
  void complain(const std::string& text) { put(errors_, "understudy: " + text + "\n"); }

 private:
  void element(const json& value) {
    put(output_, any_ ? ",\n  " : "\n  ");
    put(output_, value.dump(-1, ' ', false, json::error_handler_t::replace));
    any_ = true;
  }
  void take_row(const json& row) {
    if (json_) return element(row);
    if (request_.command == "zone list") {
      table_.add(list_row(row));
    } else {
      put(output_, status_text(row));
    }
  }

  const CliRequest& request_;
  const bool json_;
  std::FILE* const output_;
  std::FILE* const errors_;
  Table table_;
  bool any_ = false;
};

int show_all(Shown& shown, const std::function<Result<std::string>()>& next) {
  while (true) {
    const auto text = next();
    if (!text) {
      shown.complain(fmt::format("the server's answer is incomplete: {}", text.error().text()));
      return 1;
    }
    const json answer = json::parse(*text, nullptr, false);
    if (!answer.is_object()) {
      shown.complain("the server's answer is not of this protocol; is it of the same version?");
      return 1;
    }
    if (!answer.contains("done")) {
      shown.take(answer);
      continue;
    }
    if (answer.contains("error")) shown.complain(text_of(answer, "error"));
    const auto failed = answer.find("failed");
    return answer.contains("error") || (failed != answer.end() && *failed != 0) ? 1 : 0;
  }
}

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

std::string count_text(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
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
  const int status = show_all(shown, next);
  return shown.end() ? status : 1;
}

}  // namespace understudy
