#include "xfr/ixfr_writer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "zone/apply.h"

namespace understudy {
namespace {

class DifferenceRecords final : public RecordSource {
 public:
  explicit DifferenceRecords(Differences differences) : differences_(std::move(differences)) {}

  bool next(DeltaRecord& record) override {
    if (state_ == State::opening) {
      state_ = State::removed;
      cursor_ = differences_.front()->removed();
      return take_last_soa(record);
    }
    while (state_ != State::closed) {
      if (cursor_.next()) {
        record = cursor_.current();
        return true;
      }
      if (state_ == State::removed) {
        state_ = State::added;
        cursor_ = differences_[index_]->added();
      } else if (++index_ < differences_.size()) {
        state_ = State::removed;
        cursor_ = differences_[index_]->removed();
      } else {
        state_ = State::closed;
        return take_last_soa(record);
      }
    }
    return false;
  }

 private:
  enum class State : std::uint8_t { opening, removed, added, closed };

  bool take_last_soa(DeltaRecord& record) {
    ZoneDelta::Cursor last = differences_.back()->added();
    if (!last.next()) return false;
    record = last.current();
    return true;
  }

  const Differences differences_;
  std::size_t index_ = 0;
  ZoneDelta::Cursor cursor_;
  State state_ = State::opening;
};

std::uint64_t octets_of(std::span<const std::shared_ptr<const ZoneDelta>> differences) {
  std::uint64_t octets = 0;
  for (const auto& delta : differences) octets += delta->size();
  return octets;
}

/// Octets of this version alone, not of the memory that it shares with others and that has grown for larger ones.
std::uint64_t own_octets(const Zone& zone) {
  const std::uint64_t free = zone.shared() != nullptr ? zone.shared()->arena().free() : 0;
  return zone.memory_size() - std::min(free, zone.memory_size());
}

}  // namespace

Differences choose_differences(const Zone& zone, const ZoneHistory* history, Serial theirs,
                               std::uint64_t condense_octets) {
  if (history == nullptr) return {};
  const auto known = history->between(theirs, zone.serial());
  if (!known || known->empty()) return {};
  Differences chosen(known->begin(), known->end());
  std::uint64_t octets = octets_of(chosen);
  if (chosen.size() > 1 && octets <= condense_octets) {
    if (auto condensed = condense(zone.apex(), chosen); condensed && (*condensed)->size() < octets) {
      octets = (*condensed)->size();
      chosen = {*std::move(condensed)};
    }
  }
  // In both forms a record takes about as much.
  if (octets > own_octets(zone)) return {};
  return chosen;
}

std::unique_ptr<RecordSource> difference_records(Differences differences) {
  return std::make_unique<DifferenceRecords>(std::move(differences));
}

}  // namespace understudy
