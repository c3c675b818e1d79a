#include "server/settings.h"

#include <sched.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <unordered_map>

#include "config/identity.h"

namespace understudy {
namespace {

std::vector<PeerSettings> peers(const std::vector<PeerConfig>& from) {
  std::vector<PeerSettings> out;
  out.reserve(from.size());
  for (const auto& peer : from) {
    for (const auto& endpoint : peer.endpoints) {
      out.push_back({.name = peer.name,
                     .address = endpoint,
                     .key = peer.key,
                     .source = peer.source_for(endpoint.address),
                     .ixfr = peer.ixfr,
                     .ixfr_over_udp = peer.ixfr_udp});
    }
  }
  return out;
}

std::uint32_t seconds(std::chrono::seconds from) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(from.count(), 0, 0xffff'ffff));
}

BackwardsPolicy backwards_policy(SerialBackwards from) {
  switch (from) {
    case SerialBackwards::ignore:
      return BackwardsPolicy::ignore;
    case SerialBackwards::accept:
      return BackwardsPolicy::accept;
    case SerialBackwards::accept_after:
      return BackwardsPolicy::accept_after;
  }
  return BackwardsPolicy::ignore;
}

ExpiryPolicy expiry_policy(OnExpire from) {
  switch (from) {
    case OnExpire::servfail:
      return ExpiryPolicy::servfail;
    case OnExpire::serve:
      return ExpiryPolicy::serve;
    case OnExpire::serve_for:
      return ExpiryPolicy::serve_for;
  }
  return ExpiryPolicy::servfail;
}

// The word `hostname` stands for the machine's name.
std::string own_name(const std::string& text) {
  if (text != "hostname") return text;
  std::array<char, config::max_nsid + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Made once, so that a reload does not make the cookies bad that clients have.
SipKey made_secret() {
  static const SipKey made = [] {
    std::array<std::uint8_t, config::cookie_secret_octets> octets;
    // So few octets come whole (getrandom(2)).
    if (::getrandom(octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) {
      std::random_device device;
      std::ranges::generate(octets, [&] { return static_cast<std::uint8_t>(device()); });
    }
    return SipKey::from(octets);
  }();
  return made;
}

std::shared_ptr<const CookieSecrets> cookie_secrets(const ServerConfig& server) {
  std::vector<SipKey> secrets;
  for (const Bytes& secret : server.cookie_secrets) secrets.push_back(SipKey::from(secret));
  if (secrets.empty()) secrets.push_back(made_secret());
  return std::make_shared<const CookieSecrets>(std::move(secrets));
}

}  // namespace

std::shared_ptr<const ZonePolicySettings> policy_settings(const ZonePolicy& from) {
  auto access = std::make_shared<ZoneAccess>();
  access->transfer = from.allow_transfer;
  access->notify = from.allow_notify;
  for (const auto& primary : from.primaries) {
    for (const auto& endpoint : primary.endpoints) {
      access->notify.push_back({Prefix::of(endpoint.address), std::nullopt});
    }
  }
  auto policy = std::make_shared<ZonePolicySettings>();
  policy->primaries = peers(from.primaries);
  policy->notify = peers(from.notify);
  policy->access = std::move(access);
  policy->bounds = {.refresh_min = seconds(from.refresh_min),
                    .refresh_max = seconds(from.refresh_max),
                    .retry_min = seconds(from.retry_min),
                    .retry_max = seconds(from.retry_max),
                    .expire_min = seconds(from.expire_min),
                    .expire_max = seconds(from.expire_max)};
  policy->limits = {.max_records = from.max_records, .max_octets = from.max_size};
  policy->serial_backwards = backwards_policy(from.serial_backwards.kind);
  policy->backwards_after = from.serial_backwards.period;
  policy->check_all_primaries = from.check_all_primaries;
  policy->on_expire = expiry_policy(from.on_expire.kind);
  policy->serve_for = from.on_expire.period;
  policy->catalog_produce = from.catalog_produce;
  policy->history = {.versions = from.history_versions, .octets = from.history_size};
  return policy;
}

std::vector<ZoneSettings> zone_settings(const Config& config) {
  std::unordered_map<const ZonePolicy*, std::shared_ptr<const ZonePolicySettings>> known;
  std::vector<ZoneSettings> out;
  out.reserve(config.zones.size());
  for (const auto& zone : config.zones) {
    auto& policy = known[zone.policy.get()];
    if (!policy) policy = policy_settings(*zone.policy);
    out.push_back({.name = Name(zone.name()),
                   .file = zone.file ? *zone.file : std::string(),
                   .policy = policy,
                   .produced = zone.is_produced()});
  }
  return out;
}

EngineSettings engine_settings(const Config& config) {
  const TransferConfig& t = config.transfer;
  return {.max_transfers = t.max_concurrent,
          .max_transfers_per_primary = t.max_concurrent_per_primary,
          .probe_timeout = t.probe_timeout,
          .stall_timeout = t.stall_timeout,
          .min_rate = t.min_rate,
          .max_time = t.max_time,
          .notify_timeout = t.notify_timeout,
          .notify_tries = t.notify_tries,
          .notifies_per_second = static_cast<double>(t.notifies_per_second),
          .max_connections = t.connections_per_primary,
          .idle_timeout = t.connection_idle_timeout,
          .soa_queries_per_second = static_cast<double>(t.soa_queries_per_second),
          .max_pause = t.retry_backoff_max,
          .nsec3_max_iterations = config.server.nsec3_max_iterations};
}

AnswerSettings answer_settings(const Config& config) {
  const ServerConfig& server = config.server;
  AnswerSettings out{.udp_max_size = server.udp_max_size,
                     .nsec3_max_iterations = server.nsec3_max_iterations,
                     .minimal_responses = server.minimal_responses,
                     .follows_aliases = server.follow_aliases,
                     .keys = std::make_shared<const TsigKeyring>(config.keyring())};
  // The configuration has been checked: these octets can be read.
  out.edns.nsid = config::nsid_octets(own_name(server.nsid)).value_or(Bytes());
  if (server.cookies != CookieMode::off) out.edns.cookies = cookie_secrets(server);
  out.edns.cookies_required = server.cookies >= CookieMode::required;
  out.edns.none_to_tcp = server.cookies == CookieMode::required_or_tcp;
  if (server.report_channel) out.edns.report_agent = *server.report_channel;
  out.chaos = {.version = server.version, .identity = own_name(server.identity)};
  return out;
}

StreamOptions stream_options(const Config& config) {
  return {.idle_timeout = config.server.tcp_idle_timeout,
          .write_timeout = config.server.tcp_write_timeout,
          .max_queued = config.server.tcp_max_pipelined,
          .balancers = config.server.proxy_from};
}

unsigned worker_count(const Config& config) {
  if (config.server.workers != 0) return config.server.workers;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&allowed)));
}

}  // namespace understudy
