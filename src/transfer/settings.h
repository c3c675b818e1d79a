// What the transfer engine is told: peers, zones and bounds. Plain values, immutable once handed over.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "dns/name.h"
#include "dns/tsig.h"
#include "xfr/axfr_reader.h"
#include "xfr/schedule.h"
#include "zone/history.h"
#include "zone/zone_table.h"

namespace understudy {

/// A server to ask (a primary) or to tell (a notify target).
struct PeerSettings {
  std::string name;  // the configuration's, or ADDRESS@PORT
  Endpoint address;
  std::shared_ptr<const TsigKey> key;  // null: unsigned
  std::optional<IpAddress> source;     // to send from; nullopt: what the system chooses
  bool ixfr = true;                    // may be asked for differences
  bool ixfr_over_udp = false;          // by a datagram first

  /// Keys are compared by what they are: a reload makes new objects of the same ones.
  friend bool operator==(const PeerSettings& a, const PeerSettings& b);
};

/// What to do about a primary whose serial is behind ours.
enum class BackwardsPolicy : std::uint8_t {
  ignore,        // only a command takes an older version
  accept,        // follow it if no primary has ours, or a newer one
  accept_after,  // the same once that has been so for a while
};

/// What to do with a version that no primary has confirmed in time (RFC 1034 section 4.3.5 asks for `servfail`).
enum class ExpiryPolicy : std::uint8_t { servfail, serve, serve_for };

/// What zones of one kind share. Immutable once handed over.
struct ZonePolicySettings {
  std::vector<PeerSettings> primaries;  // in order, one for each address; empty for a zone from a file
  std::vector<PeerSettings> notify;
  std::shared_ptr<const ZoneAccess> access;  // primaries' addresses are already among access->notify
  TimerBounds bounds;
  TransferLimits limits;
  BackwardsPolicy serial_backwards = BackwardsPolicy::ignore;
  std::chrono::seconds backwards_after{0};  // for accept_after
  bool check_all_primaries = false;
  ExpiryPolicy on_expire = ExpiryPolicy::servfail;
  std::chrono::seconds serve_for{0};  // beyond its expiry
  HistoryLimits history;
  std::optional<Name> catalog_produce;  // the catalog of ours that lists these zones
};

struct ZoneSettings {
  Name name;
  std::string file;  // path; empty for a secondary zone
  std::shared_ptr<const ZonePolicySettings> policy;
  bool produced = false;  // made by this server (TransferEngine::put_version), neither read nor taken
};

/// How memory is compacted. A quarter of a core leaves most of one core to answers and commits even where there is only
/// one, and is done with ten million names in a minute or so; a slice is short (the last takes a walk over all names).
struct CompactionSettings {
  double share = 0.25;                      // of one core
  std::chrono::milliseconds slice{10};      // of processor time at once
  std::chrono::milliseconds settle{1000};   // from a commit until its version is looked at
  std::chrono::milliseconds retry{60'000};  // after a compaction that failed
};

struct EngineSettings {
  unsigned max_transfers = 64;
  unsigned max_transfers_per_primary = 16;
  std::chrono::milliseconds probe_timeout{5000};  // for one SOA query, and for a connection: then the next primary
  std::chrono::milliseconds stall_timeout{5000};  // no octet of a transfer for this long
  std::uint64_t min_rate = 512;                   // octets a second over 30 s; 0: off
  std::chrono::milliseconds max_time{std::chrono::hours(12)};  // of one transfer
  std::chrono::milliseconds notify_timeout{3000};              // doubles per try
  unsigned notify_tries = 5;
  double notifies_per_second = 0;                  // to all targets together; 0: any number
  unsigned max_connections = 16;                   // to one primary, that get on
  unsigned max_pipelined = 16;                     // requests on one connection to a primary
  std::chrono::milliseconds idle_timeout{10'000};  // connections to primaries are kept so long; 0: not at all
  double soa_queries_per_second = 0;               // to each primary; 0: any number
  std::chrono::milliseconds max_pause{0};    // between two checks of a primary that cannot be reached; 0: no pause
  std::uint16_t nsec3_max_iterations = 150;  // over it, what needs a proof is not answered: worth a warning
  CompactionSettings compaction;
};

}  // namespace understudy
