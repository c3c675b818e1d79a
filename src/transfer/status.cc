#include "transfer/status.h"

namespace understudy {

std::string_view zone_state_text(ZoneState state) {
  switch (state) {
    case ZoneState::loading:
      return "loading";
    case ZoneState::empty:
      return "empty";
    case ZoneState::ok:
      return "ok";
    case ZoneState::failing:
      return "failing";
    case ZoneState::expired:
      return "expired";
    case ZoneState::stale:
      return "stale";
  }
  return "?";
}

std::string_view zone_activity_text(ZoneActivity activity) {
  switch (activity) {
    case ZoneActivity::idle:
      return "idle";
    case ZoneActivity::queued:
      return "queued";
    case ZoneActivity::checking:
      return "checking";
    case ZoneActivity::transferring:
      return "transferring";
    case ZoneActivity::committing:
      return "committing";
  }
  return "?";
}

Error no_such_zone(NameView zone) {
  return {Errc::not_found, "this server has no zone " + zone.text() + "; see `understudy zone list`"};
}

}  // namespace understudy
