// The kept differences of a zone for people: as rows of a history, and as records with their sign, piece by piece.
#pragma once

#include <memory>
#include <vector>

#include "control/server_control.h"
#include "zone/history.h"

namespace understudy {

/// The versions that `history` leads through, the newest first. Only the current one is there if no difference is kept.
/// `taken_at`: when the current version was taken, 0 if it is not known.
std::vector<HistoryRow> history_rows(const ZoneHistory& history, Serial current, WallSeconds taken_at);

/// What a delta removes, then what it adds.
class DifferenceText final : public DifferenceSource {
 public:
  explicit DifferenceText(std::shared_ptr<const ZoneDelta> delta)
      : delta_(std::move(delta)), removed_(delta_->removed()), added_(delta_->added()) {}
  bool next(std::vector<DifferenceLine>& piece) override;

 private:
  const std::shared_ptr<const ZoneDelta> delta_;
  ZoneDelta::Cursor removed_, added_;
  bool removing_ = true;
};

}  // namespace understudy
