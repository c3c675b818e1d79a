#include "server/history_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/out_of_memory.h"
#include "server/difference_text.h"
#include "server/zone_text.h"
#include "store/transfer_log.h"
#include "zone/apply.h"

namespace understudy {
namespace {

constexpr std::size_t transfers_looked_at = 20'000;  // for one page, of those that a filter passes over
constexpr std::size_t transfers_at_once = 500;
constexpr std::size_t stored_looked_at = 20'000;  // zones, for one page; then others get their turn
constexpr std::size_t stored_at_once = 500;

/// From one kept version to another, older or newer.
Result<DeltaPtr> delta_between(NameView zone, const ZoneHistory& history, Serial from, Serial to) {
  if (const auto deltas = history.between(from, to); deltas && !deltas->empty()) return condense(zone, *deltas);
  if (const auto deltas = history.between(to, from); deltas && !deltas->empty()) {
    US_ASSIGN(const DeltaPtr forward, condense(zone, *deltas));
    return inverse(zone, *forward);
  }
  if (from == to) return fail(Errc::usage, "the two serials are the same");
  return fail(Errc::not_found, fmt::format("what changed between serials {} and {} of {} is not kept; see `understudy "
                                           "zone history {}`",
                                           from.value, to.value, zone.text(), zone.text()));
}

std::optional<std::uint32_t> number_of(const std::optional<Serial>& serial) {
  return serial ? std::optional(serial->value) : std::nullopt;
}

TransferRow row_of(const TransferRecord& record) {
  TransferRow row;
  row.id = record.id;
  row.zone = record.zone;
  row.at = record.when_ms / 1000;
  row.seconds = record.seconds;
  row.primary = record.primary;
  row.address = record.address;
  row.transport = record.transport;
  row.key = record.key;
  row.asked = record.asked;
  row.came = record.came;
  row.ours = number_of(record.ours);
  row.announced = number_of(record.announced);
  row.received = number_of(record.received);
  row.messages = record.messages;
  row.records = record.records;
  row.octets = record.octets;
  row.ok = record.ok;
  row.result = record.result;
  row.reason = record.reason;
  return row;
}

Result<TransferPage> read_page(TransferLog& log, const TransferQuery& query) {
  TransferPage page;
  std::uint64_t before = query.before.value_or(0);
  for (std::size_t looked_at = 0; looked_at < transfers_looked_at;) {
    const std::size_t wanted = query.failed_only ? transfers_at_once : query.limit - page.rows.size();
    US_ASSIGN(const auto records, log.list(query.zone, before, std::min(wanted, transfers_at_once)));
    if (records.empty()) return page;
    for (const TransferRecord& record : records) {
      before = record.id;
      if (query.failed_only && record.ok) continue;
      page.rows.push_back(row_of(record));
      if (page.rows.size() == query.limit) break;
    }
    page.before = before;
    if (page.rows.size() >= query.limit) return page;
    looked_at += records.size();
  }
  return page;
}

/// When the versions that are kept came, as far as the log of transfers goes back.
void add_times(TransferLog& log, const Name& zone, std::vector<HistoryRow>& rows) {
  const auto records = log.list(zone, 0, transfers_at_once);
  if (!records) return;
  for (const TransferRecord& record : *records) {
    if (!record.ok || !record.received) continue;
    const auto row = std::ranges::find(rows, record.received->value, &HistoryRow::serial);
    if (row != rows.end() && row->at == 0) row->at = record.when_ms / 1000;
  }
}

/// What is kept of a zone, in octets of memory.
std::uint64_t size_of(const Zone& version, const ZoneHistory& history) {
  std::uint64_t octets = version.memory_size();
  for (const DeltaPtr& delta : history.deltas()) octets += delta->size();
  return octets;
}

}  // namespace

Result<HistoryCommands::Held> HistoryCommands::held(NameView zone) const {
  if (!engine_.status(zone)) return std::unexpected(no_such_zone(zone));
  Held held{engine_.version(zone), engine_.history(zone)};
  if (!held.version) {
    return fail(Errc::not_found,
                fmt::format("there is no version of zone {} yet; see `understudy zone status`", zone.text()));
  }
  if (!held.history) held.history = std::make_shared<const ZoneHistory>();
  return held;
}

void HistoryCommands::history(NameView zone, Given<std::vector<HistoryRow>> given) const {
  engine_.run_job([this, name = Name(zone), give = std::move(given)] {
    const auto kept = held(name);
    if (!kept) return give(std::unexpected(kept.error()));
    std::vector<HistoryRow> rows = history_rows(*kept->history, kept->version->serial(), 0);
    add_times(store_.transfers(), name, rows);
    give(std::move(rows));
  });
}

template <typename T, typename Work>
void HistoryCommands::run_for(NameView zone, Given<T> given, Work work) const {
  engine_.run_job([this, name = Name(zone), give = std::move(given), run = std::move(work)] {
    const auto kept = held(name);
    if (!kept) return give(std::unexpected(kept.error()));
    Result<T> outcome = fail(Errc::internal);
    try {
      outcome = run(*kept);
    } catch (const std::bad_alloc&) {
      Error error = out_of_memory(fmt::format("the version of {} and what led to it", name.text()),
                                  size_of(*kept->version, *kept->history))
                        .error();
      error.detail += "; try it when the server has more memory, or between serials that are nearer to each other";
      outcome = std::unexpected(std::move(error));
    }
    give(std::move(outcome));
  });
}

void HistoryCommands::difference(NameView zone, std::uint32_t from, std::uint32_t to,
                                 Given<std::unique_ptr<DifferenceSource>> given) const {
  using Source = std::unique_ptr<DifferenceSource>;
  run_for(zone, std::move(given), [from, to](const Held& kept) -> Result<Source> {
    US_ASSIGN(const DeltaPtr delta, delta_between(kept.version->apex(), *kept.history, Serial{from}, Serial{to}));
    return std::make_unique<DifferenceText>(delta);
  });
}

void HistoryCommands::export_zone(NameView zone, std::optional<std::uint32_t> serial,
                                  Given<std::unique_ptr<TextSource>> given) const {
  using Source = std::unique_ptr<TextSource>;
  run_for(zone, std::move(given), [serial](const Held& kept) -> Result<Source> {
    const Serial current = kept.version->serial();
    if (!serial || *serial == current.value) return std::make_unique<ZoneText>(kept.version);
    US_ASSIGN(const DeltaPtr delta, delta_between(kept.version->apex(), *kept.history, current, Serial{*serial}));
    return std::make_unique<ZoneText>(kept.version, delta);
  });
}

void HistoryCommands::stored_zones(const std::optional<Name>& from, const std::string& pattern, std::size_t limit,
                                   Given<StoredRows> given) const {
  engine_.run_job([this, from, pattern, limit, give = std::move(given)] {
    StoredRows out;
    out.next = from;
    for (std::size_t looked_at = 0; looked_at < stored_looked_at; looked_at += stored_at_once) {
      auto page = store_.page(out.next, stored_at_once);
      if (!page) return give(std::unexpected(std::move(page).error()));
      for (const auto& [zone, octets] : page->zones) {
        if (engine_.status(zone.name) || (!pattern.empty() && !name_matches(pattern, zone.name.text()))) continue;
        if (out.rows.size() == limit) {
          out.next = zone.name;
          return give(std::move(out));
        }
        out.rows.push_back({zone.name, zone.serial.value, zone.records, octets, zone.source});
      }
      out.next = page->next;
      if (!out.next) break;
    }
    give(std::move(out));
  });
}

void HistoryCommands::transfers(const TransferQuery& query, Given<TransferPage> given) const {
  engine_.run_job([this, query, give = std::move(given)] { give(read_page(store_.transfers(), query)); });
}

void HistoryCommands::transfer(std::uint64_t id, Given<TransferDetail> given) const {
  engine_.run_job([this, id, give = std::move(given)] {
    const auto found = store_.transfers().find(id);
    if (!found) return give(std::unexpected(found.error()));
    if (!*found) {
      return give(
          fail(Errc::not_found, fmt::format("no transfer {} is kept (any more); see `understudy transfer list`", id)));
    }
    give(TransferDetail{row_of(**found), (*found)->exchange});
  });
}

}  // namespace understudy
