// A zone version as zone file text, piece by piece: the version itself, or another one that a delta leads to from it.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "control/server_control.h"
#include "zone/apply.h"
#include "zone/zone.h"

namespace understudy {

class ZoneText final : public TextSource {
 public:
  /// `change` (may be null) begins at this version.
  explicit ZoneText(std::shared_ptr<const Zone> zone, DeltaPtr change = nullptr);
  bool next(std::string& piece) override;

 private:
  enum class Part { soa, version, added, end };
  void put(std::string& piece, NameView owner, std::uint32_t ttl, RRType type, ByteView rdata) const;
  void put_rrset(std::string& piece);
  bool put_added(std::string& piece);

  ZoneCursor cursor_;
  DeltaPtr change_;
  std::unordered_set<std::string> removed_;  // records of the version that the other one does not have
  ZoneDelta::Cursor added_;
  Part part_ = Part::version;
};

}  // namespace understudy
