// The transfer engine: keeps every zone as fresh as its primaries allow and passes changes on.
//
// One ZoneAgent per zone is the only writer of that zone's slot, schedule and timers. Agents run as coroutines on the
// engine's own transfer thread(s); a zone at rest is an entry in a timer queue and no coroutine. Building and disk work
// run on a small job pool. Commit order, in one function: check -> durable -> visible -> announced.
// Public functions are thread-safe and do not block unless they say so; outcomes arrive through callbacks, which run
// on a transfer thread and must be quick.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/result.h"
#include "dns/tsig.h"
#include "store/zone_store.h"
#include "xfr/axfr_reader.h"
#include "xfr/schedule.h"
#include "zone/zone_table.h"

namespace understudy {

/// A server to ask (a primary) or to tell (a notify target).
struct PeerSettings {
  std::string name;                     // the configuration's, or ADDRESS@PORT
  Endpoint address;
  std::shared_ptr<const TsigKey> key;   // null: unsigned

  friend bool operator==(const PeerSettings&, const PeerSettings&) = default;
};

/// What zones of one kind share. Immutable once handed over.
struct ZonePolicySettings {
  std::vector<PeerSettings> primaries;  // in order; empty for a zone from a file
  std::vector<PeerSettings> notify;
  std::shared_ptr<const ZoneAccess> access;  // primaries' addresses are already among access->notify
  TimerBounds bounds;
  TransferLimits limits;
};

struct ZoneSettings {
  Name name;
  std::string file;  // path; empty for a secondary zone
  std::shared_ptr<const ZonePolicySettings> policy;
};

struct EngineSettings {
  unsigned max_transfers = 64;
  unsigned max_transfers_per_primary = 16;
  std::chrono::milliseconds probe_timeout{5000};   // for one SOA query, and for a connection: then the next primary
  std::chrono::milliseconds stall_timeout{10000};  // no octet of a transfer for this long
  std::uint64_t min_rate = 512;                    // octets a second over 30 s; 0: off
  std::chrono::milliseconds notify_timeout{3000};  // doubles per try
  unsigned notify_tries = 5;
};

enum class ZoneState : std::uint8_t {
  loading,   // being read from disk
  empty,     // no version yet; answered with SERVFAIL
  ok,        // served, and the last check succeeded (or the zone comes from a file)
  failing,   // served, but the last check failed
  expired,   // too long without a primary; answered with SERVFAIL
};
std::string_view zone_state_text(ZoneState state);

/// What an agent is doing right now.
enum class ZoneActivity : std::uint8_t { idle, queued, checking, transferring, committing };
std::string_view zone_activity_text(ZoneActivity activity);

/// A snapshot for people and metrics. Times are wall seconds, 0 = never.
struct ZoneStatus {
  Name name;
  ZoneState state = ZoneState::loading;
  ZoneActivity activity = ZoneActivity::idle;
  std::optional<Serial> serial;       // of the version held
  std::uint64_t records = 0;
  std::uint64_t memory = 0;           // octets
  bool from_file = false;
  std::string primary;                // last one that confirmed or sent the version, or the file
  WallSeconds last_check = 0, last_confirmed = 0, next_check = 0, expires_at = 0;
  std::string last_error;             // of the last failed attempt, in words; empty after a success
  std::uint64_t checks = 0, transfers = 0, failures = 0;
};

/// Totals for metrics. Monotonic counters since start.
struct EngineCounters {
  std::uint64_t checks_ok = 0, checks_failed = 0;
  std::uint64_t transfers_ok = 0, transfers_failed = 0;
  std::uint64_t transferred_records = 0, transferred_octets = 0;
  std::uint64_t notifies_received = 0, notifies_sent = 0, notifies_failed = 0;
  std::uint64_t zones_by_state[5] = {};  // indexed by ZoneState; kept up to date, never counted by walking
};

/// How a command on a zone ended.
struct CommandOutcome {
  Result<void> result;
  std::string text;  // e.g. "serial 5 -> 6 from hidden1, 12 records", "serial 6 is current at hidden1"
};
using CommandDone = std::function<void(CommandOutcome)>;

class TransferEngine {
 public:
  /// `store`, `clock` outlive the engine. Starts its threads.
  TransferEngine(ZoneStore& store, const Clock& clock, EngineSettings settings);
  ~TransferEngine();  // stop()

  /// Replaces the set of zones, all at once as seen by find_slot(): new ones are loaded from the store (or their file) and
  /// scheduled, removed ones are let go (their stored data only if `forget_removed`), changed ones keep their version. Called at start and
  /// at every reload. Blocks until the new ZoneTable is published, not until zones are loaded. `loaded` runs once
  /// every zone that has stored data is answered or is known to be unreadable.
  void set_zones(std::vector<ZoneSettings> zones, bool forget_removed, std::function<void()> loaded);
  void set_settings(EngineSettings settings);

  /// The table that is published now; for readers between two quiescent states.
  [[nodiscard]] const ZoneTable* table() const;

  /// A NOTIFY that access rules already allowed. Coalesces: one pending wake per zone, bounded memory.
  /// `serial`: the hint in its answer section, if any.
  void notify(NameView zone, const IpAddress& from, std::optional<Serial> serial);

  /// Checks with the primaries now (a file zone: reads its file again). Errc::not_found for an unknown zone.
  void refresh(NameView zone, CommandDone done);
  /// Takes the whole zone again, whatever the serial.
  void retransfer(NameView zone, CommandDone done);

  [[nodiscard]] std::optional<ZoneStatus> status(NameView zone) const;
  /// Names at or after `from` in canonical order, at most `limit`; for paged listings.
  [[nodiscard]] std::vector<ZoneStatus> list(const std::optional<Name>& from, std::size_t limit) const;
  [[nodiscard]] EngineCounters counters() const;
  /// The version held, answered or not: for export.
  [[nodiscard]] std::shared_ptr<const Zone> version(NameView zone) const;
  /// Every zone with stored data is answered or known to be unreadable.
  [[nodiscard]] bool all_loaded() const;

  /// Cancels agents, drains jobs, stores timers. Blocks. Idempotent.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace understudy
