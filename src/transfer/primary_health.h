// Which primaries hang, so that a thousand zones do not each wait for the same one.
//
// A primary hangs once a check of it ran out of time and nothing else came from it since that check began. From then on
// one check at a time, a second after the one before, finds out whether it answers again; the other zones ask their
// other primaries first and come back to this one only if those fail. Any answer ends it. On the transfer thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/address.h"

namespace understudy {

class PrimaryHealth {
 public:
  enum class Outcome : std::uint8_t { answered, hung, unknown };

  /// It hangs, and somebody is finding out whether it still does or just has: another primary is the better choice.
  /// `now`: monotonic seconds.
  [[nodiscard]] bool is_to_be_passed_over(const Endpoint& primary, double now) const;
  /// A check of it begins.
  void begin(const Endpoint& primary);
  /// It has ended; `began` and `now` in monotonic seconds. `name` is the one for log lines.
  void end(const Endpoint& primary, const std::string& name, Outcome outcome, double began, double now);

 private:
  struct State {
    unsigned under_way = 0;
    bool hangs = false;
    double answered_at = -1;  // monotonic seconds, as all times
    double hung_at = -1;      // found so last
  };
  std::map<Endpoint, State> states_;  // of primaries that hang or are being asked
};

}  // namespace understudy
