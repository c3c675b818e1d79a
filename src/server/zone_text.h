// A zone version as zone file text, piece by piece.
#pragma once

#include <memory>

#include "control/server_control.h"
#include "zone/zone.h"

namespace understudy {

class ZoneText final : public TextSource {
 public:
  explicit ZoneText(std::shared_ptr<const Zone> zone) : cursor_(std::move(zone)) {}
  bool next(std::string& piece) override;

 private:
  ZoneCursor cursor_;
};

}  // namespace understudy
