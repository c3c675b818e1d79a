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
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/log.h"
#include "dns/access.h"
#include "dns/name.h"
#include "dns/tsig.h"

namespace understudy {

/// Whether cookies (RFC 7873) are ignored, answered, to be good where a query by UDP has one, or demanded of every
/// query by UDP.
enum class CookieMode : std::uint8_t { off, on, required, required_or_tcp };

struct ServerConfig {
  std::vector<Endpoint> listen{{IpAddress(), 53}, {IpAddress::any_v6(), 53}};  // UDP and TCP
  unsigned workers = 0;                                                        // 0: one per core this process may use
  std::string user;                                                            // empty: stay who we are
  LogLevel log_level = LogLevel::info;
  std::uint16_t udp_max_size = 1232;  // octets of a UDP response at most
  bool minimal_responses = false;
  bool follow_aliases = false;
  std::uint16_t nsec3_max_iterations = 150;
  unsigned tcp_max_clients = 1000;
  unsigned tcp_max_clients_per_address = 100;
  std::chrono::milliseconds tcp_idle_timeout{10'000};
  std::chrono::milliseconds tcp_write_timeout{10'000};
  unsigned tcp_max_pipelined = 100;  // unanswered queries of one connection
  std::vector<Prefix> proxy_from;    // who speaks for clients (PROXY protocol)
  std::vector<std::string> xdp;      // interfaces whose queries are taken by AF_XDP
  std::string nsid;                  // as written, see config/identity.h; empty: none
  std::string version, identity;     // empty: nobody is told
  CookieMode cookies = CookieMode::on;
  std::string cookie_secret_file;     // empty: a secret is made at start
  std::vector<Bytes> cookie_secrets;  // what load_config() found in that file
  std::optional<Name> report_channel;
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
  unsigned connections_per_primary = 4;                      // kept, for many zones each
  std::chrono::milliseconds connection_idle_timeout{8'000};  // below that of common primaries: we close, not they
  unsigned soa_queries_per_second = 500;                     // to one primary; a million zones an hour are 278
  std::chrono::milliseconds retry_backoff_max{60'000};       // between tries of a primary that fails
  std::chrono::milliseconds probe_timeout{5'000};
  std::chrono::milliseconds stall_timeout{5'000};
  std::uint64_t min_rate = 512;                        // octets a second, averaged over 30 s; 0: no lower bound
  std::chrono::milliseconds max_time{12 * 3'600'000};  // of one transfer
  std::uint64_t max_records = 50'000'000;              // of one zone
  std::uint64_t max_size = 8ULL << 30;                 // octets of one transfer
  unsigned notify_tries = 5;
  unsigned notifies_per_second = 1'000;             // to all targets together
  std::chrono::milliseconds notify_timeout{3'000};  // before the first repetition; doubles each time
};

enum class PeerTransport : std::uint8_t { tcp };

/// Another server that we talk to: a primary of a zone, or a secondary that wants to be notified.
struct PeerConfig {
  std::string name;                    // as under `primaries`, or ADDRESS@PORT where it was written in place
  std::vector<Endpoint> endpoints;     // at least one, in the order to try; all are the same server
  std::vector<IpAddress> source;       // addresses to send from, at most one of each family
  std::shared_ptr<const TsigKey> key;  // null: unsigned
  PeerTransport transport = PeerTransport::tcp;
  bool ixfr = true;       // ask for differences, and for the whole zone only where there are none
  bool ixfr_udp = false;  // ask for them by UDP first

  /// What to bind before talking to `to`; nullopt: the system chooses.
  [[nodiscard]] std::optional<IpAddress> source_for(const IpAddress& to) const;
  /// Same name, addresses, transport and settings, and the same key down to its secret.
  friend bool operator==(const PeerConfig& a, const PeerConfig& b);
};

/// A choice of which one goes with a time; `period` counts for that one only and is 0 for the others.
template <typename Kind>
struct TimedChoice {
  Kind kind{};
  std::chrono::seconds period{0};

  friend bool operator==(const TimedChoice&, const TimedChoice&) = default;
};

/// What to do about a primary whose serial is behind ours: nothing, follow it, or follow it once all primaries that
/// answer have been behind for a time.
enum class SerialBackwards : std::uint8_t { ignore, accept, accept_after };
/// How an expired zone is answered: with SERVFAIL, from the old version for ever, or from it for a time.
enum class OnExpire : std::uint8_t { servfail, serve, serve_for };

/// Everything that a zone takes from its template and may say itself.
struct ZonePolicy {
  static constexpr std::chrono::seconds no_bound{0xffff'ffff};

  std::string template_name = "default";  // where the zone began; empty for a catalog
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
  TimedChoice<SerialBackwards> serial_backwards;
  bool check_all_primaries = false;  // ask each at every check and take the highest serial
  TimedChoice<OnExpire> on_expire;
  unsigned history_versions = 10;  // differences kept; 0: none
  std::uint64_t history_size = std::uint64_t{16} << 20;
  std::optional<Name> catalog_produce;  // the catalog of ours that lists the zone

  friend bool operator==(const ZonePolicy&, const ZonePolicy&) = default;
};

class ZoneConfig {
 public:
  ZoneConfig(NameView name, std::shared_ptr<const ZonePolicy> zone_policy,
             std::shared_ptr<const std::string> zone_file = nullptr)
      : policy(std::move(zone_policy)), file(std::move(zone_file)), wire_(text_of(name.wire())) {}

  /// Valid as long as this object. Case as written.
  [[nodiscard]] NameView name() const { return NameView::trusted(view_of(wire_)); }
  /// A zone with a file is one whose primary we are.
  [[nodiscard]] bool from_file() const { return file != nullptr; }
  /// A catalog that we make from the zones whose policy names it; a zone of neither kind has at least one primary.
  [[nodiscard]] bool is_produced() const { return !file && policy->primaries.empty(); }

  std::shared_ptr<const ZonePolicy> policy;  // never null
  std::shared_ptr<const std::string> file;   // null: taken from primaries, or made by us

 private:
  std::string wire_;
};

/// A catalog that we take zones from (RFC 9432). The catalog's own zone stands among Config::zones, too.
struct CatalogConfig {
  Name zone;
  std::shared_ptr<const ZonePolicy> policy;   // of the catalog zone itself
  std::string template_name = "default";      // of members without a group, or with one that is not listed
  std::map<std::string, std::string> groups;  // the `group` property of a member -> its template
  std::chrono::seconds purge_after{7 * 24 * 3'600};
  unsigned brake_percent = 10;  // an update that removes more than this share of the members ...
  unsigned brake_count = 10;    // ... and at least this many is held; 100 %: none is
  std::uint64_t max_members = 2'000'000;

  std::shared_ptr<const ZonePolicy> members;                                            // what `template_name` says
  std::map<std::string, std::shared_ptr<const ZonePolicy>, std::less<>> group_members;  // the same for each group

  /// Of a member with these groups: the first of them that is configured counts. Never null once read.
  [[nodiscard]] const std::shared_ptr<const ZonePolicy>& member_policy(std::span<const std::string> of) const;
  /// Policies are compared by content.
  friend bool operator==(const CatalogConfig& a, const CatalogConfig& b);
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
  std::vector<CatalogConfig> catalogs;                     // in the order of the file

  [[nodiscard]] std::shared_ptr<const TsigKey> find_key(NameView name) const;
  /// Null if there is none of that name. Binary search.
  [[nodiscard]] const ZoneConfig* find_zone(NameView name) const;
  /// Null if none of the catalogs that we take zones from has that name.
  [[nodiscard]] const CatalogConfig* find_catalog(NameView name) const;
  /// All keys in the form that dns/tsig.h works with.
  [[nodiscard]] TsigKeyring keyring() const;
};

/// Name, algorithm and secret are the same.
[[nodiscard]] bool same_key(const TsigKey& a, const TsigKey& b);

}  // namespace understudy
