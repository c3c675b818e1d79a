// One piece of work of a zone agent: from the wish for a check to its outcome. On the transfer thread only.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transfer/spawn.h"
#include "transfer/zone_agent.h"

namespace understudy {

struct ZoneAgent::Work {
  bool whole = false;       // take the zone whatever its serial
  bool urgent = false;      // NOTIFY or command
  bool started = false;     // a primary is being asked, or the file read: what comes now waits for the next work
  bool committing = false;  // the slot belongs to a job
  bool cancelled = false;
  bool only_if_written = false;          // a file: not if it is as it was when it was read last
  bool goes_back = false;                // the present transfer may be of an older version than ours
  bool asks_differences = false;         // by the present transfer
  std::vector<Endpoint> no_differences;  // primaries whose differences were of no use: they are asked for the whole
                                         // zone, after their SOA, as a NOTIFY alone is not worth one
  /// For so many seconds it is not worth asking this primary again for differences, if it sends the whole zone now.
  struct Pause {
    Endpoint primary;
    double seconds;
  };
  std::optional<Pause> pause;
  std::optional<IpAddress> notified_by;  // to be asked first if it is a primary
  std::optional<Serial> notified_serial;
  std::shared_ptr<const ZonePolicySettings> policy;
  std::vector<std::uint32_t> order;  // of the policy's primaries
  std::size_t next = 0;              // in `order`: who is asked next
  std::size_t until = 0;             // in `order`: before this one is asked, what was found is decided on
  std::size_t passed_over = 0;       // of them, now the last in `order`

  // What was found. An attempt is the present one until its end was logged, or it is put aside here.
  std::unique_ptr<Attempt> attempt;
  std::vector<std::unique_ptr<Attempt>> newer;  // of primaries with a newer serial than ours
  std::unique_ptr<Attempt> confirmed;           // of one that has ours
  std::unique_ptr<Attempt> behind;              // of the newest of those that have an older one, if it may be followed

  bool unanswered = false;    // some primary was not heard
  bool newer_failed = false;  // somebody has something newer, and it could not be taken

  double probe_began = 0;       // monotonic seconds
  double waited = 0;            // Attempt::waited of the next attempt, at the same primary
  std::optional<double> again;  // when to check again whether primaries can be reached; monotonic seconds
  std::optional<Error> error;   // of the last attempt that failed, those before in its detail
  std::vector<CommandDone> commands;
  Lanes::Request request;
  CancelSignal cancel;  // of the present coroutine

  /// The primary of the present attempt, or of the one that waits for its turn.
  [[nodiscard]] const PeerSettings& asked() const {
    return attempt ? attempt->peer : policy->primaries[order[next - 1]];
  }
  [[nodiscard]] bool differences_failed(const PeerSettings& peer) const {
    return std::ranges::find(no_differences, peer.address) != no_differences.end();
  }
  /// There is no other primary left to ask.
  [[nodiscard]] bool asks_last() const { return next == order.size() && newer.empty(); }
};

/// Of the time that one primary may cost, after so many seconds; a little in any case, as it may have answered.
std::chrono::milliseconds time_left(std::chrono::milliseconds timeout, double waited);

}  // namespace understudy
