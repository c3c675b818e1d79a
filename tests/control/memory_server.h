// A server that is only its rows: what commands, metrics and health are tested with.
#pragma once

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "control/commands.h"
#include "control/server_control.h"

namespace understudy {

class MemoryServer final : public ServerControl {
 public:
  ZoneRow& add(std::string_view name, std::string_view state = "ok") {
    ZoneRow row;
    row.name = Name::parse(name).value();
    row.state = state;
    row.activity = "idle";
    row.type = "secondary";
    const auto at = std::ranges::upper_bound(rows, row.name, {}, &ZoneRow::name);
    return *rows.insert(at, row);
  }

  [[nodiscard]] WallSeconds now() const override { return 1'000'000; }
  [[nodiscard]] std::vector<ZoneRow> zones(const std::optional<Name>& from, std::size_t limit) const override {
    ++pages;
    auto at = from ? std::ranges::lower_bound(rows, *from, {}, &ZoneRow::name) : rows.begin();
    std::vector<ZoneRow> page;
    for (; at != rows.end() && page.size() < limit; ++at) page.push_back(*at);
    return page;
  }
  [[nodiscard]] std::optional<ZoneRow> zone(NameView name) const override {
    for (const auto& row : rows) {
      if (row.name.view() == name) return row;
    }
    return std::nullopt;
  }
  void refresh(NameView name, bool whole, Done done) override {
    refreshed.emplace_back(name.text() + (whole ? " whole" : ""), std::move(done));
  }
  [[nodiscard]] Result<std::unique_ptr<TextSource>> export_zone(NameView name) const override {
    if (!zone(name)) return fail(Errc::not_found, "no such zone");
    struct Pieces final : TextSource {
      int left = 3;
      bool next(std::string& piece) override {
        piece += "piece " + std::to_string(left) + "\n";
        return --left > 0;
      }
    };
    return std::make_unique<Pieces>();
  }
  void reload(Done done) override { done(reload_outcome); }
  void stop() override { ++stops; }
  [[nodiscard]] std::vector<MetricFamily> metrics() const override { return families; }
  [[nodiscard]] Health health() const override { return health_now; }

  std::vector<ZoneRow> rows;  // in canonical order
  mutable int pages = 0;
  std::vector<std::pair<std::string, Done>> refreshed;
  Result<std::string> reload_outcome = "nothing changed";
  int stops = 0;
  std::vector<MetricFamily> families;
  Health health_now;
};

class MemoryOutput final : public CommandOutput {
 public:
  void write(std::string_view piece) override { text += piece; }
  void stream(std::function<bool(std::string&)> produce) override {
    bool more = true;
    while (more) {
      std::string piece;
      more = produce(piece);
      largest_piece = std::max(largest_piece, piece.size());
      text += piece;
    }
  }
  void done() override { ++times_done; }

  /// Every line as JSON; a line that is none makes the test fail by the exception.
  [[nodiscard]] std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> out;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      out.push_back(nlohmann::json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    return out;
  }

  std::string text;
  std::size_t largest_piece = 0;
  int times_done = 0;
};

}  // namespace understudy
