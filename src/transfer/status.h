// What the transfer engine tells: the state of zones, totals, and how commands ended. Plain values.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"

namespace understudy {

enum class ZoneState : std::uint8_t {
  loading,  // being read from disk
  empty,    // no version yet; answered with SERVFAIL
  ok,       // served, and the last check succeeded (or the zone comes from a file)
  failing,  // served, but the last check failed
  expired,  // too long without a primary; answered with SERVFAIL
  stale,    // the same, but answered by the operator's wish
};
inline constexpr std::size_t zone_state_count = 6;
std::string_view zone_state_text(ZoneState state);

/// What an agent is doing right now.
enum class ZoneActivity : std::uint8_t { idle, queued, checking, transferring, committing };
std::string_view zone_activity_text(ZoneActivity activity);

/// A snapshot for people and metrics. Times are wall seconds, 0 = never.
struct ZoneStatus {
  Name name;
  ZoneState state = ZoneState::loading;
  ZoneActivity activity = ZoneActivity::idle;
  std::optional<Serial> serial;  // of the version held
  std::uint64_t records = 0;
  std::uint64_t memory = 0;  // octets
  bool from_file = false;
  bool produced = false;  // made by this server
  std::string primary;    // last one that confirmed or sent the version, or the file
  WallSeconds last_check = 0, last_confirmed = 0, next_check = 0, expires_at = 0;
  std::string last_error;  // of the last failed attempt, in words; empty after a success
  std::uint64_t checks = 0, transfers = 0, failures = 0;
};

/// Totals for metrics. Monotonic counters since start.
struct EngineCounters {
  std::uint64_t checks_ok = 0, checks_failed = 0;
  std::uint64_t transfers_ok = 0, transfers_failed = 0;
  std::uint64_t transfers_by_differences = 0;  // of those that succeeded
  std::uint64_t differences_failed = 0;        // the whole zone was asked for instead
  std::uint64_t transferred_records = 0, transferred_octets = 0;
  std::uint64_t notifies_received = 0, notifies_sent = 0, notifies_failed = 0;
  std::uint64_t compactions_begun = 0, compactions_thrown_away = 0;
  std::uint64_t compactions = 0;                       // of large zones' memory
  double compaction_busy = 0, compaction_seconds = 0;  // of these: processor time, and how long they took
  std::uint64_t zones_by_state[zone_state_count] =
      {};  // indexed by ZoneState; kept up to date, never counted by walking
};

/// How a command on a zone ended.
struct CommandOutcome {
  Result<void> result;
  std::string text;  // e.g. "serial 5 -> 6 from hidden1, 12 records", "serial 6 is current at hidden1"
};
using CommandDone = std::function<void(CommandOutcome)>;

/// What a command about a zone that is not there ends with.
Error no_such_zone(NameView zone);

}  // namespace understudy
