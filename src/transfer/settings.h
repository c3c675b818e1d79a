// What the transfer engine is told: peers, zones and bounds. Plain values, immutable once handed over.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "dns/name.h"
#include "dns/tsig.h"
#include "xfr/axfr_reader.h"
#include "xfr/schedule.h"
#include "zone/zone_table.h"

namespace understudy {

/// A server to ask (a primary) or to tell (a notify target).
struct PeerSettings {
  std::string name;  // the configuration's, or ADDRESS@PORT
  Endpoint address;
  std::shared_ptr<const TsigKey> key;  // null: unsigned

  /// Keys are compared by what they are: a reload makes new objects of the same ones.
  friend bool operator==(const PeerSettings& a, const PeerSettings& b);
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
  std::chrono::milliseconds stall_timeout{5000};   // no octet of a transfer for this long
  std::uint64_t min_rate = 512;                    // octets a second over 30 s; 0: off
  std::chrono::milliseconds notify_timeout{3000};  // doubles per try
  unsigned notify_tries = 5;
};

}  // namespace understudy
