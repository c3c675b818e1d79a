// What was learned of what primaries do not know, so that they are not asked for it again and again.
//
// Forgotten after an hour: software is renewed. On the transfer thread.
#pragma once

#include <map>

#include "base/address.h"

namespace understudy {

class PrimaryTraits {
 public:
  /// Times in monotonic seconds.
  [[nodiscard]] bool knows_edns(const Endpoint& primary, double now) const { return !is_set(no_edns_, primary, now); }
  [[nodiscard]] bool sends_differences(const Endpoint& primary, double now) const {
    return !is_set(no_differences_, primary, now);
  }
  void knows_no_edns(const Endpoint& primary, double now) { no_edns_[primary] = now + kept; }
  void sends_no_differences(const Endpoint& primary, double now) { no_differences_[primary] = now + kept; }

 private:
  static constexpr double kept = 3600;
  using Until = std::map<Endpoint, double>;

  static bool is_set(const Until& until, const Endpoint& primary, double now) {
    const auto found = until.find(primary);
    return found != until.end() && now < found->second;
  }

  Until no_edns_, no_differences_;
};

}  // namespace understudy
