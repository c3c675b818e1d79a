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
    row.origin = "configuration";
    const auto at = std::ranges::upper_bound(rows, row.name, {}, &ZoneRow::name);
    return *rows.insert(at, row);
  }

  [[nodiscard]] WallSeconds now() const override { return 1'000'000; }
  [[nodiscard]] ZonePage zones(const std::optional<Name>& from, const ZoneFilter& filter, std::size_t limit,
                               std::size_t examined) const override {
    ++pages;
    ZonePage page;
    auto at = from ? std::ranges::lower_bound(rows, *from, {}, &ZoneRow::name) : rows.begin();
    for (; at != rows.end() && page.rows.size() < limit && examined > 0; ++at, --examined) {
      if (filter.matches(*at)) page.rows.push_back(*at);
    }
    if (at != rows.end()) page.next = at->name;
    return page;
  }
  [[nodiscard]] std::optional<ZoneRow> zone(NameView name) const override {
    for (const auto& row : rows) {
      if (row.name.view() == name) return row;
    }
    return std::nullopt;
  }
  [[nodiscard]] Result<ComparisonPoints> comparison(NameView name) const override {
    if (!zone(name)) return fail(Errc::not_found, "no such zone");
    return points;
  }
  void refresh(NameView name, bool whole, Done done) override {
    refreshed.emplace_back(name.text() + (whole ? " whole" : ""), std::move(done));
  }
  void add_zones(std::vector<Name> names, const ZoneTemplate& settings, bool wait, ZoneDone done) override {
    added_with = settings;
    added_waiting = wait;
    for (const Name& name : names) {
      if (zone(name)) {
        done(name, fail(Errc::bad_value, "it is there already"));
      } else {
        add(name.text(), "empty").origin = "command";
        done(name, "added");
      }
    }
  }
  void remove_zones(std::vector<Name> names, bool forget, ZoneDone done) override {
    for (const Name& name : names) {
      const auto gone = std::erase_if(rows, [&](const ZoneRow& row) { return row.name == name; });
      if (gone == 0) {
        done(name, fail(Errc::not_found, "no such zone"));
      } else {
        done(name, forget ? "removed and forgotten" : "removed");
      }
    }
  }
  void stored_zones(const std::optional<Name>& from, const std::string& pattern, std::size_t limit,
                    Given<StoredRows> given) const override {
    ++pages;
    StoredRows page;
    for (const StoredRow& row : stored) {
      if (from && row.name < *from) continue;
      if (page.rows.size() == limit) {
        page.next = row.name;
        break;
      }
      if (pattern.empty() || name_matches(pattern, row.name.text())) page.rows.push_back(row);
    }
    given(std::move(page));
  }
  void history(NameView name, Given<std::vector<HistoryRow>> given) const override {
    if (!zone(name)) return given(fail(Errc::not_found, "no such zone"));
    given(versions);
  }
  void difference(NameView name, std::uint32_t from, std::uint32_t to,
                  Given<std::unique_ptr<DifferenceSource>> given) const override {
    if (!zone(name)) return given(fail(Errc::not_found, "no such zone"));
    struct Lines final : DifferenceSource {
      std::uint32_t from = 0, to = 0;
      bool next(std::vector<DifferenceLine>& piece) override {
        piece.push_back({from > to, "serial " + std::to_string(std::min(from, to))});
        if (from > to) return false;
        std::swap(from, to);
        return true;
      }
    };
    auto lines = std::make_unique<Lines>();
    lines->from = from;
    lines->to = to;
    given(std::move(lines));
  }
  void export_zone(NameView name, std::optional<std::uint32_t> serial,
                   Given<std::unique_ptr<TextSource>> given) const override {
    if (!zone(name)) return given(fail(Errc::not_found, "no such zone"));
    struct Pieces final : TextSource {
      int left = 3;
      std::string serial;
      bool next(std::string& piece) override {
        piece += "piece " + std::to_string(left) + serial + "\n";
        return --left > 0;
      }
    };
    auto pieces = std::make_unique<Pieces>();
    if (serial) pieces->serial = " of " + std::to_string(*serial);
    given(std::move(pieces));
  }
  void transfers(const TransferQuery& query, Given<TransferPage> given) const override {
    TransferPage page;
    for (const auto& each : attempts) {
      if ((query.before && each.row.id >= *query.before) || (query.failed_only && each.row.ok)) continue;
      if (query.zone && each.row.zone != *query.zone) continue;
      if (page.rows.size() == query.limit) {
        page.before = page.rows.back().id;
        break;
      }
      page.rows.push_back(each.row);
    }
    given(std::move(page));
  }
  void transfer(std::uint64_t id, Given<TransferDetail> given) const override {
    for (const auto& each : attempts) {
      if (each.row.id == id) return given(each);
    }
    given(fail(Errc::not_found, "transfer " + std::to_string(id)));
  }
  [[nodiscard]] std::vector<CatalogRow> catalogs() const override { return catalog_rows; }
  void accept_catalog(NameView name, std::optional<std::uint32_t> serial, std::optional<std::uint32_t> all_of,
                      Done done) override {
    accepted.emplace_back(name.text() + (serial ? " " + std::to_string(*serial) : "") +
                              (all_of ? " all of " + std::to_string(*all_of) : ""),
                          std::move(done));
  }
  [[nodiscard]] Result<std::vector<std::string>> compare_configuration(const std::string& path) const override {
    compared.push_back(path);
    return changes;
  }
  void reload(const Announce& will, Done done) override {
    if (changes && !changes->empty()) will(*changes);
    done(reload_outcome);
  }
  void stop() override { ++stops; }
  [[nodiscard]] std::vector<MetricFamily> metrics() const override { return families; }
  [[nodiscard]] Health health() const override { return health_now; }

  std::vector<ZoneRow> rows;  // in canonical order
  std::vector<StoredRow> stored;
  mutable int pages = 0;
  std::vector<std::pair<std::string, Done>> refreshed;
  Result<std::string> reload_outcome = "nothing changed";
  ZoneTemplate added_with;
  bool added_waiting = false;
  std::vector<HistoryRow> versions;
  std::vector<TransferDetail> attempts;  // the newest first
  std::vector<CatalogRow> catalog_rows;
  ComparisonPoints points;
  std::vector<std::pair<std::string, Done>> accepted;
  Result<std::vector<std::string>> changes;
  mutable std::vector<std::string> compared;
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
