#include "control/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "control/cli_rows.h"
#include "dns/name.h"

namespace understudy {
namespace {

using json = nlohmann::ordered_json;  // members stay in the server's order
using Row = std::vector<std::string>;

constexpr std::size_t rows_at_once = 1000;                    // that are aligned with each other
constexpr std::size_t names_octets = std::size_t{256} << 10;  // in one request, whose limit is 1 MiB with escapes

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

// One invocation's output: aligns what must be aligned, passes on what need not.
class Shown {
 public:
  Shown(const CliRequest& request, std::FILE* output, std::FILE* errors)
      : request_(request),
        json_(request.as_json && request.command != "zone export"),
        form_(table_form(request.stored ? "zone list --stored" : request.command)),
        output_(output),
        errors_(errors),
        table_(output) {}

  void begin() {
    if (json_) put(output_, "[");
  }
  void take(const json& answer) {
    if (const auto row = answer.find("row"); row != answer.end()) return take_row(*row);
    const std::string prefix = answer.contains("zone") ? member_text(answer, "zone") + ": " : "";
    if (answer.contains("error")) complain(prefix + member_text(answer, "error"));
    if (json_) return element(answer);
    if (answer.contains("error")) return;
    if (request_.command == "zone export") {
      const auto text = answer.find("text");
      if (text != answer.end() && text->is_string()) put(output_, text->get_ref<const std::string&>());
    } else {
      put(output_, prefix + member_text(answer, "text") + "\n");
    }
  }
  /// The last line of a response. False if something failed.
  bool finish(const json& last) {
    if (last.contains("error")) complain(member_text(last, "error"));
    if (last.contains("next") && !json_) {
      if (form_ != nullptr) add_header();
      table_.print();
      const bool transfers = request_.command == "transfer list";
      put(output_, fmt::format("there are {}; go on with {} {}\n", transfers ? "older ones" : "more",
                               transfers ? "--before" : "--from", member_text(last, "next")));
    }
    const auto failed = last.find("failed");
    return !last.contains("error") && (failed == last.end() || *failed == 0);
  }
  /// False if the output did not take everything. `good`: nothing failed, so that no rows means that there are none.
  bool end(bool good) {
    if (good && !json_ && form_ != nullptr) add_header();
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
    if (form_ != nullptr) {
      add_header();
      table_.add(form_->columns(row));
    } else {
      put(output_, page_text(request_.command, row));
    }
  }

  void add_header() {
    if (!std::exchange(headed_, true)) table_.add(form_->header);
  }

  const CliRequest& request_;
  const bool json_;
  const TableForm* const form_;
  std::FILE* const output_;
  std::FILE* const errors_;
  Table table_;
  bool any_ = false;
  bool headed_ = false;
};

enum class Outcome { done, failed, broken };

Outcome show_response(Shown& shown, const std::function<Result<std::string>()>& next) {
  while (true) {
    const auto text = next();
    if (!text) {
      shown.complain(fmt::format("the server's answer is incomplete: {}", text.error().text()));
      return Outcome::broken;
    }
    const json answer = json::parse(*text, nullptr, false);
    if (!answer.is_object()) {
      shown.complain("the server's answer is not of this protocol; is it of the same version?");
      return Outcome::broken;
    }
    if (answer.contains("done")) return shown.finish(answer) ? Outcome::done : Outcome::failed;
    shown.take(answer);
  }
}

Outcome show_all(Shown& shown, const CliRequest& request, const CliConnection& server) {
  Outcome outcome = Outcome::done;
  for (const std::string& line : request.lines()) {
    if (const auto sent = server.send(line); !sent) {
      shown.complain(sent.error().text());
      return Outcome::broken;
    }
    const Outcome one = show_response(shown, server.next);
    if (one != Outcome::done) outcome = one;
    if (one == Outcome::broken) break;
  }
  return outcome;
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

std::vector<std::string> CliRequest::lines() const {
  json value{{"command", command}, {"wait", wait}};
  const auto text = [&](const char* key, const std::string& said) {
    if (!said.empty()) value[key] = said;
  };
  const auto number = [&](const char* key, const auto& said) {
    if (said) value[key] = *said;
  };
  text("state", state);
  text("match", match);
  text("from", from);
  number("limit", limit);
  number("serial", serial);
  number("all_of", all_of);
  number("from_serial", from_serial);
  number("to_serial", to_serial);
  text("template", template_name);
  if (!primaries.empty()) value["primaries"] = primaries;
  if (stored) value["stored"] = true;
  if (forget) value["forget"] = true;
  if (failed) value["failed"] = true;
  number("before", before);
  number("id", id);
  text("file", file);
  std::vector<std::string> out;
  auto zone = zones.begin();
  do {
    json names = json::array();
    for (std::size_t octets = 0; zone != zones.end() && octets < names_octets; ++zone) {
      octets += zone->size() + 3;  // quotes and comma
      names.push_back(*zone);
    }
    if (!names.empty()) value["zones"] = std::move(names);
    out.push_back(value.dump(-1, ' ', false, json::error_handler_t::replace));
  } while (zone != zones.end());
  return out;
}

int run_request(const CliRequest& request, const CliConnection& server, std::FILE* output, std::FILE* errors) {
  Shown shown(request, output, errors);
  shown.begin();
  const bool good = show_all(shown, request, server) == Outcome::done;
  return shown.end(good) && good ? 0 : 1;
}

Result<std::vector<std::string>> read_zone_names(std::FILE* file, std::string_view label) {
  std::vector<std::string> names;
  char* buffer = nullptr;
  std::size_t capacity = 0;
  ssize_t size = 0;
  errno = 0;
  Result<void> good;
  for (std::size_t number = 1; good && (size = getline(&buffer, &capacity, file)) >= 0; ++number) {
    std::string_view line(buffer, static_cast<std::size_t>(size));
    constexpr std::string_view blanks = " \t\r\n";
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    line = line.substr(0, line.find_last_not_of(blanks) + 1);
    if (line.empty() || line.front() == '#') continue;
    if (const auto name = Name::parse(line); !name) {
      good = fail(Errc::usage, fmt::format("{}:{}: {} is not a zone name: {}", label, number, line.substr(0, 300),
                                           name.error().text()));
    }
    names.emplace_back(line);
  }
  if (good && std::ferror(file) != 0) good = fail(Errc::io, fmt::format("{}: {}", label, std::strerror(errno)));
  std::free(buffer);
  if (!good) return std::unexpected(std::move(good).error());
  return names;
}

}  // namespace understudy
