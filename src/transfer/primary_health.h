// Which primaries cannot be reached, so that a thousand zones do not each wait for the same one.
//
// A primary hangs once a check of it ran out of time and nothing else came from it since that check began. From then on
// one check at a time, a second after the one before, finds out whether it answers again; zones that have other
// primaries ask those first and come back to this one only if they fail.
//
// A primary that hangs, or that refuses connections, also rests: zones without another primary do not ask it for a
// pause that doubles with every failure, from a second to a bound. Whose check failed is to check again at the end of
// the pause; the others wait, and are told once an answer has come, a few at a time as they may be very many. A NOTIFY
// from the primary, or a command, ends the pause. Any answer ends all of it.
//
// Transfers are counted apart by the same rules, as a primary may answer for its serials and have nothing come of its
// transfers: only a transfer that came to its end ends that. Serials are asked for all the same, so that what is
// current is confirmed, and the next to try after a pause is another zone than the one that failed, as only one zone
// may be at fault. What a primary refuses says nothing about its other zones. On the transfer thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/address.h"
#include "transfer/waiting_list.h"

namespace understudy {

class PrimaryHealth {
 public:
  enum class Outcome : std::uint8_t {
    answered,
    hung,
    unreachable,  // at once, e.g. the port is closed
    refused,      // of a transfer: not this zone
    unknown,
  };
  enum class Kind : std::uint8_t { check, transfer };

  /// `tell_later` asks for a call of tell_some() soon, but not from within it.
  explicit PrimaryHealth(std::function<void()> tell_later) : tell_later_(std::move(tell_later)) {}

  /// The longest pause, seconds; 0: none at all.
  void set_longest_pause(double seconds) { longest_pause_ = seconds; }

  /// It hangs, and somebody is finding out whether it still does or just has: another primary is the better choice.
  /// `now`: monotonic seconds.
  [[nodiscard]] bool is_to_be_passed_over(const Endpoint& primary, double now) const;
  /// It answered since then, and neither that nor a transfer has failed after that; monotonic seconds.
  [[nodiscard]] bool has_answered_since(const Endpoint& primary, double when) const;
  /// Until when it rests, or a little later than now if somebody is finding out; nullopt: it may be asked. Monotonic
  /// seconds.
  [[nodiscard]] std::optional<double> rests_until(const Endpoint& primary, double now, Kind kind = Kind::check) const;
  /// For one of those whose transfer is left to rest: it is to try at the time that is returned. nullopt: another does.
  std::optional<double> claim_next_try(const Endpoint& primary, double now);
  /// There is a sign of life of it, or somebody insists: it may be asked.
  void end_pause(const IpAddress& address);
  /// To be told when it answers again: as soon as it cannot be asked, or has failed, for later may be too late. Nothing
  /// happens if it does not rest.
  void wait(const Endpoint& primary, Waiter& waiter);
  /// To be told of its next answer, whatever is known of it.
  void wait_for_answer(const Endpoint& primary, Waiter& waiter);
  /// Tells some of those who waited and whose primary has answered.
  void tell_some();

  /// A check of it, or a transfer, begins; `now` in monotonic seconds.
  void begin(const Endpoint& primary, Kind kind = Kind::check, double now = 0);
  /// A check has ended; `began` and `now` in monotonic seconds. `name` is the one for log lines. Returns when the
  /// caller should check again if it does not answer.
  std::optional<double> end(const Endpoint& primary, const std::string& name, Outcome outcome, double began,
                            double now);
  /// A transfer has: with `transfer`; as a check, with `check`.
  std::optional<double> end_transfer(const Endpoint& primary, const std::string& name, Outcome check, Outcome transfer,
                                     double began, double now);

 private:
  /// What is known of one kind of exchanges.
  struct Track {
    unsigned under_way = 0;
    bool hangs = false;
    bool is_next_claimed = false;  // somebody tries at the end of this pause
    unsigned failures = 0;         // in a row, one for each pause
    double answered_at = -1;       // monotonic seconds, as all times
    double failed_at = -1;
    double began_at = 0;  // the last of those that began
    double rests_until = -1;
    WaitingList waiters;

    [[nodiscard]] bool is_known() const {
      return under_way != 0 || failures != 0 || answered_at >= 0 || !waiters.empty();
    }
    [[nodiscard]] bool is_to_be_passed_over(double now) const;
    void end_pause();
  };
  struct State {
    Track checks, transfers;
  };
  [[nodiscard]] const State* find(const Endpoint& primary) const;
  double failed(Track& track, double now) const;
  std::optional<double> note(Track& track, Outcome outcome, double began, double now);
  void tell(Track& track);

  double longest_pause_ = 0;
  std::map<Endpoint, State> states_;  // of primaries that were or are being asked
  const std::function<void()> tell_later_;
  WaitingList told_;  // those that are to be told
};

}  // namespace understudy
