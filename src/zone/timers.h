// When a zone was last confirmed and what is due when: absolute wall times that survive a restart.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace understudy {

/// All times in seconds since 1970 UTC; 0 = never.
struct ZoneTimers {
  WallSeconds confirmed_at = 0;  // a primary last confirmed the serial, or sent the version
  WallSeconds checked_at = 0;    // last attempt to ask a primary, with whatever outcome
  WallSeconds refresh_at = 0;    // next check is due
  WallSeconds expire_at = 0;     // the zone may not be answered from then on (RFC 1034 section 4.3.5)
  WallSeconds behind_since = 0;  // no primary had our serial since then, only older ones
  bool expired = false;          // has expired and was not confirmed since; a clock that jumps back does not undo it

  friend bool operator==(const ZoneTimers&, const ZoneTimers&) = default;
};

}  // namespace understudy
