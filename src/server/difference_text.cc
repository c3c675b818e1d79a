#include "server/difference_text.h"

#include <fmt/format.h>

#include <ranges>

#include "dns/rdata.h"

namespace understudy {
namespace {

constexpr std::size_t piece_lines = 500;

std::string record_text(const DeltaRecord& record) {
  return fmt::format("{}\t{}\tIN\t{}\t{}", record.owner.text(), record.ttl, type_text(record.type),
                     rdata_text(record.type, record.rdata));
}

}  // namespace

std::vector<HistoryRow> history_rows(const ZoneHistory& history, Serial current, WallSeconds taken_at) {
  std::vector<HistoryRow> rows;
  for (const auto& delta : std::views::reverse(history.deltas())) {
    rows.push_back({.serial = delta->to().value,
                    .from = delta->from().value,
                    .removed = delta->removed_count(),
                    .added = delta->added_count(),
                    .size = delta->size()});
  }
  const std::uint32_t oldest = history.empty() ? current.value : history.deltas().front()->from().value;
  rows.push_back({.serial = oldest});
  rows.front().current = true;
  rows.front().at = taken_at;
  return rows;
}

bool DifferenceText::next(std::vector<DifferenceLine>& piece) {
  while (piece.size() < piece_lines) {
    ZoneDelta::Cursor& cursor = removing_ ? removed_ : added_;
    if (cursor.next()) {
      piece.push_back({!removing_, record_text(cursor.current())});
    } else if (removing_) {
      removing_ = false;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace understudy
