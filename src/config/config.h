// The configuration of a server as one immutable value.
//
// Built by parse_config() or load_config() (parser.h), compared by diff_configs() (diff.h), shared by shared_ptr and
// never changed. The members' initial values are the defaults that the manual prints: a default-constructed structure
// is a valid one. Every reference (key, primary, template) is resolved, so users never look up a name. Zones with the
// same settings share one ZonePolicy. Thread-safe to read.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/log.h"
#include "dns/access.h"
#include "dns/name.h"
#include "dns/tsig.h"

namespace understudy {

struct ServerConfig {
  std::vector<Endpoint> listen{{IpAddress(), 53}, {IpAddress::any_v6(), 53}};  // UDP and TCP
  unsigned workers = 0;                                                        // 0: one per core this process may use
  std::string user;                                                            // empty: stay who we are
  LogLevel log_level = LogLevel::info;
  std::uint16_t udp_max_size = 1232;  // octets of a UDP response at most
  unsigned tcp_max_clients = 1000;
  unsigned tcp_max_clients_per_address = 100;
  std::chrono::milliseconds tcp_idle_timeout{10'000};
  std::chrono::milliseconds tcp_write_timeout{10'000};
  unsigned tcp_max_pipelined = 100;  // unanswered queries of one connection
};

struct StorageConfig {
  std::string directory = "/var/lib/understudy";
};

struct ControlConfig {
  std::string socket = "/run/understudy/control.sock";
};

struct HttpConfig {
  std::vector<Endpoint> listen;  // empty: no HTTP server
  bool zone_metrics = false;
};

struct TransferConfig {
  unsigned max_concurrent = 64;
  unsigned max_concurrent_per_primary = 16;
  std::chrono::milliseconds probe_timeout{5'000};
  std::chrono::milliseconds stall_timeout{5'000};
  std::uint64_t min_rate = 512;            // octets a second, averaged over 30 s; 0: no lower bound
  std::uint64_t max_records = 50'000'000;  // of one zone
  std::uint64_t max_size = 8ULL << 30;     // octets of one transfer
  unsigned notify_tries = 5;
  std::chrono::milliseconds notify_timeout{3'000};  // before the first repetition; doubles each time
};

enum class PeerTransport : std::uint8_t { tcp };

/// Another server that we talk to: a primary of a zone, or a secondary that wants to be notified.
struct PeerConfig {
  std::string name;  // as under `primaries`, or ADDRESS@PORT where it was written in place
  Endpoint endpoint;
  std::shared_ptr<const TsigKey> key;  // null: unsigned
  PeerTransport transport = PeerTransport::tcp;

  /// Same name, address, transport, and the same key down to its secret.
  friend bool operator==(const PeerConfig& a, const PeerConfig& b);
};

/// Everything that a zone takes from its template and may say itself.
struct ZonePolicy {
  static constexpr std::chrono::seconds no_bound{0xffff'ffff};

  std::string template_name = "default";  // where the zone began
  std::vector<PeerConfig> primaries;      // in the order to try; empty for a zone that comes from a file
  std::vector<AccessRule> allow_notify;
  std::vector<AccessRule> allow_transfer;
  std::vector<PeerConfig> notify;
  std::chrono::seconds refresh_min{2}, refresh_max{no_bound};
  std::chrono::seconds retry_min{1}, retry_max{no_bound};
  std::chrono::seconds expire_min{1}, expire_max{no_bound};
  std::uint64_t max_records =
      TransferConfig{}.max_records;                    // transfer.max-records where neither zone nor template says it
  std::uint64_t max_size = TransferConfig{}.max_size;  // transfer.max-size likewise

  friend bool operator==(const ZonePolicy&, const ZonePolicy&) = default;
};

class ZoneConfig {
 public:
  ZoneConfig(NameView name, std::shared_ptr<const ZonePolicy> zone_policy,
             std::shared_ptr<const std::string> zone_file = nullptr)
      : policy(std::move(zone_policy)), file(std::move(zone_file)), wire_(text_of(name.wire())) {}

  /// Valid as long as this object. Case as written.
  [[nodiscard]] NameView name() const { return NameView::trusted(view_of(wire_)); }
  /// A zone with a file is one whose primary we are; a zone without has at least one primary.
  [[nodiscard]] bool from_file() const { return file != nullptr; }

  std::shared_ptr<const ZonePolicy> policy;  // never null
  std::shared_ptr<const std::string> file;   // null: taken from primaries

 private:
  std::string wire_;
};

struct Config {
  std::string source;     // the file, as it was named to us
  std::string directory;  // relative paths begin here
  ServerConfig server;
  StorageConfig storage;
  ControlConfig control;
  HttpConfig http;
  TransferConfig transfer;
  std::map<Name, std::shared_ptr<const TsigKey>> keys;
  std::map<std::string, PeerConfig, std::less<>> primaries;
  std::map<std::string, std::shared_ptr<const ZonePolicy>, std::less<>> templates{
      {"default", std::make_shared<const ZonePolicy>()}};  // "default" is always there
  std::vector<ZoneConfig> zones;                           // in canonical order, each name once

  [[nodiscard]] std::shared_ptr<const TsigKey> find_key(NameView name) const;
  /// Null if there is none of that name. Binary search.
  [[nodiscard]] const ZoneConfig* find_zone(NameView name) const;
  /// All keys in the form that dns/tsig.h works with.
  [[nodiscard]] TsigKeyring keyring() const;
};

/// Name, algorithm and secret are the same.
[[nodiscard]] bool same_key(const TsigKey& a, const TsigKey& b);

}  // namespace understudy
