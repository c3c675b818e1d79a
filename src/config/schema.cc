#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace understudy::config {
namespace {

constexpr std::uint64_t second = 1'000;  // options of time count milliseconds
constexpr std::uint64_t hour = 3'600 * second;
constexpr std::uint64_t longest_period = 0xffff'ffffULL * second;  // what an SOA field can hold
constexpr std::uint64_t most_octets = 1ULL << 44;

// The order is that of LogLevel, TsigAlgorithm and PeerTransport.
constexpr std::array<std::string_view, 4> log_levels = {"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 6> algorithms = {"hmac-md5",    "hmac-sha1",   "hmac-sha224",
                                                        "hmac-sha256", "hmac-sha384", "hmac-sha512"};
constexpr std::array<std::string_view, 1> transports = {"tcp"};
// The order is that of CookieMode.
constexpr std::array<std::string_view, 4> cookie_modes = {"off", "on", "required", "required-or-tcp"};
// The order is that of SerialBackwards and OnExpire; the last one is followed by a time.
constexpr std::array<std::string_view, 3> serial_backwards_words = {"ignore", "accept", "accept-after"};
constexpr std::array<std::string_view, 3> on_expire_words = {"servfail", "serve", "serve-for"};

constexpr std::array server_options = {
    Option{.key = "listen",
           .type = ValueType::endpoints,
           .help = "Addresses to answer on, by UDP and TCP.",
           .binding = bind<&ServerConfig::listen>,
           .reloadable = false},
    Option{.key = "workers",
           .type = ValueType::number,
           .help = "Threads that answer; `auto` is one per core that this process may use.",
           .binding = bind<&ServerConfig::workers>,
           .unit = "threads",
           .min = 1,
           .max = 1'024,
           .word = "auto",
           .word_value = 0,
           .reloadable = false},
    Option{.key = "user",
           .type = ValueType::text,
           .help = "User to become once the sockets are bound; nothing is dropped where it is not set.",
           .binding = bind<&ServerConfig::user>,
           .reloadable = false},
    Option{.key = "log-level",
           .type = ValueType::choice,
           .help = "Least important lines that are logged.",
           .binding = bind<&ServerConfig::log_level>,
           .choices = log_levels},
    Option{.key = "udp-max-size",
           .type = ValueType::number,
           .help = "Largest UDP response; what does not fit is truncated and asked for again by TCP.",
           .binding = bind<&ServerConfig::udp_max_size>,
           .unit = "octets",
           .min = 512,
           .max = 4'096},
    Option{.key = "minimal-responses",
           .type = ValueType::boolean,
           .help = "Whether additional records are left out where nothing requires them.",
           .binding = bind<&ServerConfig::minimal_responses>},
    Option{.key = "follow-aliases",
           .type = ValueType::boolean,
           .help = "Whether CNAME and DNAME records are followed into other zones of this server.",
           .binding = bind<&ServerConfig::follow_aliases>},
    Option{.key = "nsec3-max-iterations",
           .type = ValueType::number,
           .help = "NSEC3 iterations of a zone up to which denials are proved; over it, they are answered SERVFAIL.",
           .binding = bind<&ServerConfig::nsec3_max_iterations>,
           .unit = "iterations",
           .max = 2'500},
    Option{.key = "tcp-max-clients",
           .type = ValueType::number,
           .help = "TCP connections at once.",
           .binding = bind<&ServerConfig::tcp_max_clients>,
           .unit = "connections",
           .min = 1,
           .max = 1'000'000,
           .reloadable = false},
    Option{.key = "tcp-max-clients-per-address",
           .type = ValueType::number,
           .help = "TCP connections at once from one address.",
           .binding = bind<&ServerConfig::tcp_max_clients_per_address>,
           .unit = "connections",
           .min = 1,
           .max = 1'000'000,
           .reloadable = false},
    Option{.key = "tcp-idle-timeout",
           .type = ValueType::timeout,
           .help = "Silence after which a TCP connection is closed.",
           .binding = bind<&ServerConfig::tcp_idle_timeout>,
           .min = 100,
           .max = hour,
           .reloadable = false},
    Option{.key = "tcp-write-timeout",
           .type = ValueType::timeout,
           .help = "Time over which a TCP client has to take 512 octets a second of what waits for it.",
           .binding = bind<&ServerConfig::tcp_write_timeout>,
           .min = 100,
           .max = hour,
           .reloadable = false},
    Option{.key = "tcp-max-pipelined",
           .type = ValueType::number,
           .help = "Unanswered queries of one TCP connection; reading pauses there.",
           .binding = bind<&ServerConfig::tcp_max_pipelined>,
           .unit = "queries",
           .min = 1,
           .max = 10'000,
           .reloadable = false},
    Option{.key = "proxy-from",
           .type = ValueType::prefixes,
           .help = "Load balancers: each query and connection from these addresses begins with a PROXY protocol header "
                   "(version 2) that names the client.",
           .binding = bind<&ServerConfig::proxy_from>,
           .reloadable = false},
    Option{.key = "xdp",
           .type = ValueType::interfaces,
           .help = "Network interfaces whose UDP queries are taken before the kernel's network stack (AF_XDP); sockets "
                   "go on with all else, and where it is not possible. See [xdp.md](xdp.md).",
           .binding = bind<&ServerConfig::xdp>,
           .reloadable = false},
    Option{.key = "nsid",
           .type = ValueType::text,
           .help = "What the server calls itself to who asks (NSID): text, octets in hexadecimal behind `0x`, or "
                   "`hostname` for the machine's name.",
           .binding = bind<&ServerConfig::nsid>},
    Option{.key = "identity",
           .type = ValueType::text,
           .help = "Answer to `id.server` and `hostname.bind` in class CH, `hostname` for the machine's name; refused "
                   "where it is not set.",
           .binding = bind<&ServerConfig::identity>},
    Option{.key = "version",
           .type = ValueType::text,
           .help = "Answer to `version.server` and `version.bind` in class CH; refused where it is not set.",
           .binding = bind<&ServerConfig::version>},
    Option{.key = "cookies",
           .type = ValueType::choice,
           .help = "DNS cookies: ignored; answered; required to be good of who sends one by UDP (BADCOOKIE); and who "
                   "sends none is sent to TCP.",
           .binding = bind<&ServerConfig::cookies>,
           .choices = cookie_modes},
    Option{.key = "cookie-secret-file",
           .type = ValueType::path,
           .help =
               "File with the secrets of the cookies, 32 hexadecimal digits a line, the first makes them and all are "
               "accepted; the same on all servers of an address. A secret is made at start where it is not set.",
           .binding = bind<&ServerConfig::cookie_secret_file>},
    Option{.key = "report-channel",
           .type = ValueType::name,
           .help = "Domain of the agent that resolvers are asked to report errors to (RFC 9567).",
           .binding = bind<&ServerConfig::report_channel>,
           .word = "none"},
};

constexpr std::array storage_options = {
    Option{.key = "directory",
           .type = ValueType::path,
           .help = "Where zones and their timers are kept; one server a directory.",
           .binding = bind<&StorageConfig::directory>,
           .reloadable = false},
};

constexpr std::array control_options = {
    Option{.key = "socket",
           .type = ValueType::path,
           .help = "UNIX socket on which the command `understudy` talks to the server.",
           .binding = bind<&ControlConfig::socket>,
           .reloadable = false},
};

constexpr std::array http_options = {
    Option{.key = "listen",
           .type = ValueType::endpoints,
           .help = "Addresses for metrics and health by HTTP.",
           .binding = bind<&HttpConfig::listen>,
           .reloadable = false},
    Option{.key = "zone-metrics",
           .type = ValueType::boolean,
           .help = "Whether the metrics have lines for every zone beside the totals.",
           .binding = bind<&HttpConfig::zone_metrics>},
};

constexpr std::array transfer_options = {
    Option{.key = "max-concurrent",
           .type = ValueType::number,
           .help = "Zones that are transferred at once, beside transfers that stand still.",
           .binding = bind<&TransferConfig::max_concurrent>,
           .unit = "zones",
           .min = 1,
           .max = 100'000},
    Option{.key = "max-concurrent-per-primary",
           .type = ValueType::number,
           .help = "Zones that are transferred at once from one primary.",
           .binding = bind<&TransferConfig::max_concurrent_per_primary>,
           .unit = "zones",
           .min = 1,
           .max = 100'000},
    Option{.key = "connections-per-primary",
           .type = ValueType::number,
           .help = "TCP connections to one primary's address; they are kept, and many zones share each.",
           .binding = bind<&TransferConfig::connections_per_primary>,
           .unit = "connections",
           .min = 1,
           .max = 1'000},
    Option{.key = "connection-idle-timeout",
           .type = ValueType::timeout,
           .help = "Silence after which a kept connection to a primary is closed.",
           .binding = bind<&TransferConfig::connection_idle_timeout>,
           .min = 0,
           .max = hour},
    Option{
        .key = "soa-queries-per-second",
        .type = ValueType::number,
        .help =
            "Checks (SOA queries) a second that one primary is sent; what is more waits. NOTIFY and commands go first, "
            "up to four times as many.",
        .binding = bind<&TransferConfig::soa_queries_per_second>,
        .unit = "queries a second",
        .min = 1,
        .max = 1'000'000},
    Option{.key = "retry-backoff-max",
           .type = ValueType::timeout,
           .help = "Longest pause of a primary that keeps failing; pauses double up to it, a NOTIFY or a command ends "
                   "them.",
           .binding = bind<&TransferConfig::retry_backoff_max>,
           .min = second,
           .max = 24 * hour},
    Option{.key = "probe-timeout",
           .type = ValueType::timeout,
           .help = "What a primary that does not answer costs at most before the next one is tried.",
           .binding = bind<&TransferConfig::probe_timeout>,
           .min = 100,
           .max = hour},
    Option{.key = "stall-timeout",
           .type = ValueType::timeout,
           .help = "Time without an octet after which a transfer is given up.",
           .binding = bind<&TransferConfig::stall_timeout>,
           .min = 100,
           .max = hour},
    Option{.key = "min-rate",
           .type = ValueType::size,
           .help = "Slowest transfer that is waited for, averaged over 30 s; `off` waits for any.",
           .binding = bind<&TransferConfig::min_rate>,
           .unit = "octets a second",
           .min = 1,
           .max = most_octets,
           .word = "off",
           .word_value = 0},
    Option{.key = "max-time",
           .type = ValueType::timeout,
           .help = "Longest time of one transfer; where another primary is left, it is an hour at most.",
           .binding = bind<&TransferConfig::max_time>,
           .min = second,
           .max = 7 * 24 * hour},
    Option{.key = "max-records",
           .type = ValueType::number,
           .help = "Records of one zone; a transfer with more is refused.",
           .binding = bind<&TransferConfig::max_records>,
           .unit = "records",
           .min = 1,
           .max = 4'000'000'000},
    Option{.key = "max-size",
           .type = ValueType::size,
           .help = "Octets of one transfer; a larger one, or a version of more memory, is refused.",
           .binding = bind<&TransferConfig::max_size>,
           .unit = "octets",
           .min = 1'024,
           .max = most_octets},
    Option{.key = "notify-tries",
           .type = ValueType::number,
           .help = "How often a NOTIFY is sent while no answer comes.",
           .binding = bind<&TransferConfig::notify_tries>,
           .unit = "times",
           .min = 1,
           .max = 100},
    Option{.key = "notifies-per-second",
           .type = ValueType::number,
           .help =
               "NOTIFY messages a second that are sent, to all secondaries together; of those that wait, one for each "
               "zone and secondary is kept.",
           .binding = bind<&TransferConfig::notifies_per_second>,
           .unit = "messages a second",
           .min = 1,
           .max = 1'000'000},
    Option{.key = "notify-timeout",
           .type = ValueType::timeout,
           .help = "Wait for the answer to a NOTIFY before it is sent again; doubles each time.",
           .binding = bind<&TransferConfig::notify_timeout>,
           .min = 100,
           .max = hour},
};

constexpr std::array key_options = {
    Option{.key = "name",
           .type = ValueType::name,
           .help = "Name of the key; both sides must use the same.",
           .binding = bind<&TsigKey::name>,
           .required = true},
    Option{.key = "algorithm",
           .type = ValueType::choice,
           .help = "HMAC of the signatures; hmac-md5 is there for old primaries only.",
           .binding = bind<&TsigKey::algorithm>,
           .choices = algorithms},
    Option{.key = "secret",
           .type = ValueType::secret,
           .help = "The shared secret in base64.",
           .binding = bind<&TsigKey::secret>,
           .required = true},
};

constexpr std::array peer_options = {
    Option{.key = "name",
           .type = ValueType::text,
           .help = "What zones and templates call it.",
           .binding = bind<&PeerConfig::name>,
           .required = true},
    Option{.key = "address",
           .type = ValueType::servers,
           .help = "Its address, or a list of them in the order to try; port 53 where none is given.",
           .binding = bind<&PeerConfig::endpoints>,
           .required = true},
    Option{.key = "source",
           .type = ValueType::addresses,
           .help = "Own address to talk to it from, or one of each family; the system chooses where there is none.",
           .binding = bind<&PeerConfig::source>},
    Option{.key = "key",
           .type = ValueType::key_name,
           .help = "Key that signs what is said to it and checks what it says.",
           .binding = bind<&PeerConfig::key>},
    Option{.key = "transport",
           .type = ValueType::choice,
           .help = "How zones are transferred.",
           .binding = bind<&PeerConfig::transport>,
           .choices = transports},
    Option{.key = "ixfr",
           .type = ValueType::boolean,
           .help = "Whether it is asked for differences (IXFR) before it is asked for a whole zone.",
           .binding = bind<&PeerConfig::ixfr>},
    Option{.key = "ixfr-udp",
           .type = ValueType::boolean,
           .help = "Whether it is asked for differences by UDP first; what does not fit is asked for by TCP.",
           .binding = bind<&PeerConfig::ixfr_udp>},
};

template <auto Member>
constexpr Option period_option(std::string_view key, std::string_view help, std::string_view word = {}) {
  return {.key = key,
          .type = ValueType::period,
          .help = help,
          .binding = bind<Member>,
          .min = second,
          .max = longest_period,
          .word = word,
          .word_value = word.empty() ? 0 : longest_period};
}

constexpr std::array policy_options = {
    Option{.key = "primaries",
           .type = ValueType::peers,
           .help = "Servers to take the zone from, in the order to try them.",
           .binding = bind<&ZonePolicy::primaries>},
    Option{.key = "allow-notify",
           .type = ValueType::access_rules,
           .help = "Who may announce a change, beside the primaries' own addresses.",
           .binding = bind<&ZonePolicy::allow_notify>},
    Option{.key = "allow-transfer",
           .type = ValueType::access_rules,
           .help = "Who may transfer the zone from this server.",
           .binding = bind<&ZonePolicy::allow_transfer>},
    Option{.key = "notify",
           .type = ValueType::peers,
           .help = "Servers that are told of each new version.",
           .binding = bind<&ZonePolicy::notify>},
    period_option<&ZonePolicy::refresh_min>("refresh-min", "Shortest refresh interval, whatever the SOA says."),
    period_option<&ZonePolicy::refresh_max>("refresh-max", "Longest refresh interval, whatever the SOA says.", "none"),
    period_option<&ZonePolicy::retry_min>("retry-min", "Shortest retry interval, whatever the SOA says."),
    period_option<&ZonePolicy::retry_max>("retry-max", "Longest retry interval, whatever the SOA says.", "none"),
    period_option<&ZonePolicy::expire_min>("expire-min", "Shortest time to expiry, whatever the SOA says."),
    period_option<&ZonePolicy::expire_max>("expire-max", "Longest time to expiry, whatever the SOA says.", "none"),
    Option{.key = "max-records",
           .type = ValueType::number,
           .help = "Records of the zone; a transfer with more is refused.",
           .binding = bind<&ZonePolicy::max_records>,
           .unit = "records",
           .min = 1,
           .max = 4'000'000'000,
           .default_note = "transfer.max-records"},
    Option{.key = "max-size",
           .type = ValueType::size,
           .help = "Octets of one transfer of the zone; a larger one, or a version of more memory, is refused.",
           .binding = bind<&ZonePolicy::max_size>,
           .unit = "octets",
           .min = 1'024,
           .max = most_octets,
           .default_note = "transfer.max-size"},
    Option{.key = "serial-backwards",
           .type = ValueType::timed_choice,
           .help = "What to do about primaries whose serial is behind ours: keep our version, follow them, or follow "
                   "them once all that answer have been behind for a time.",
           .binding = bind<&ZonePolicy::serial_backwards>,
           .min = second,
           .max = longest_period,
           .choices = serial_backwards_words},
    Option{.key = "check-all-primaries",
           .type = ValueType::boolean,
           .help = "Whether each check asks all primaries and takes the highest serial, not the first that answers.",
           .binding = bind<&ZonePolicy::check_all_primaries>},
    Option{.key = "on-expire",
           .type = ValueType::timed_choice,
           .help = "How an expired zone is answered: with SERVFAIL, from the old version, or from it for a time.",
           .binding = bind<&ZonePolicy::on_expire>,
           .min = second,
           .max = longest_period,
           .choices = on_expire_words},
    Option{.key = "history-versions",
           .type = ValueType::number,
           .help = "Versions behind the current one that are kept, as differences; 0 keeps none and gives no IXFR.",
           .binding = bind<&ZonePolicy::history_versions>,
           .unit = "versions",
           .min = 0,
           .max = 100'000},
    Option{.key = "history-size",
           .type = ValueType::size,
           .help = "Octets of the differences of a zone that are kept; the oldest go first.",
           .binding = bind<&ZonePolicy::history_size>,
           .unit = "octets",
           .min = 0,
           .max = most_octets},
    // The last one: a catalog cannot say it.
    Option{.key = "catalog-produce",
           .type = ValueType::name,
           .help = "Catalog of this server that lists the zone for other secondaries; an entry of that name under "
                   "`zones` says who may have it.",
           .binding = bind<&ZonePolicy::catalog_produce>,
           .word = "none"},
};
constexpr std::span catalog_policy_options = std::span(policy_options).first(policy_options.size() - 1);

constexpr std::array template_options = {
    Option{.key = "name",
           .type = ValueType::text,
           .help = "What zones call it; `default` is for zones that name none.",
           .binding = bind<&TemplateEntry::name>,
           .required = true},
};

constexpr std::array zone_options = {
    Option{.key = "name",
           .type = ValueType::name,
           .help = "Name of the zone.",
           .binding = bind<&ZoneEntry::name>,
           .required = true},
    Option{.key = "template",
           .type = ValueType::template_name,
           .help = "Template that the zone begins with.",
           .binding = bind<&ZoneEntry::template_name>},
    Option{.key = "file",
           .type = ValueType::path,
           .help = "Zone file to serve the zone from; this server is then its primary.",
           .binding = bind<&ZoneEntry::file>},
};

constexpr std::array catalog_options = {
    Option{.key = "zone",
           .type = ValueType::name,
           .help = "Name of the catalog zone.",
           .binding = bind<&CatalogConfig::zone>,
           .required = true},
    Option{.key = "template",
           .type = ValueType::template_name,
           .help = "Template of its member zones; the catalog's own primaries, too, come from it where none are said.",
           .binding = bind<&CatalogConfig::template_name>},
    Option{.key = "groups",
           .type = ValueType::groups,
           .help = "Templates of the members that have a `group` property, by its value.",
           .binding = bind<&CatalogConfig::groups>},
    Option{.key = "purge-after",
           .type = ValueType::period,
           .help = "How long a removed member's data is kept, unanswered, in case the catalog brings it back.",
           .binding = bind<&CatalogConfig::purge_after>,
           .min = 0,
           .max = longest_period},
    Option{.key = "brake-percent",
           .type = ValueType::number,
           .help = "An update that removes more than this share of the members waits for `catalog accept`; `off` "
                   "holds none for its size.",
           .binding = bind<&CatalogConfig::brake_percent>,
           .unit = "percent",
           .min = 0,
           .max = 99,
           .word = "off",
           .word_value = 100},
    Option{.key = "brake-count",
           .type = ValueType::number,
           .help = "Members that must go before `brake-percent` counts.",
           .binding = bind<&CatalogConfig::brake_count>,
           .unit = "zones",
           .min = 1,
           .max = 1'000'000'000},
    Option{.key = "max-members",
           .type = ValueType::number,
           .help = "Member zones; a version of the catalog with more is refused, and the last one stays in force. "
                   "`max-records` of the catalog is three times this and 1000 more, or `transfer.max-records` if that "
                   "is less, where it is not set.",
           .binding = bind<&CatalogConfig::max_members>,
           .unit = "zones",
           .min = 1,
           .max = 100'000'000},
};

constexpr std::array unsupported_things = {
    Unsupported{"primaries", "transport", "tls",
                "transport tls is not supported by this version, expected tcp (protect the transfer by a key)"},
    Unsupported{"primaries", "transport", "quic",
                "transport quic is not supported by this version, expected tcp (protect the transfer by a key)"},
    Unsupported{"primaries", "tls-name", "", "transport tls, and with it tls-name, is not supported by this version"},
};

}  // namespace

const ZonePolicy& default_policy() {
  static const ZonePolicy policy;
  return policy;
}

std::span<const Section> schema() {
  static const ServerConfig server;
  static const StorageConfig storage;
  static const ControlConfig control;
  static const HttpConfig http;
  static const TransferConfig transfer;
  static const TsigKey key;
  static const PeerConfig peer;
  static const TemplateEntry template_entry;
  static const ZoneEntry zone;
  static const CatalogConfig catalog;
  static const std::array sections = {
      Section{"server", "", "The process and how it answers.", server_options, {}, &server},
      Section{"storage", "", "Where zones are kept.", storage_options, {}, &storage},
      Section{"control", "", "How the command line reaches the server.", control_options, {}, &control},
      Section{"http", "", "Metrics and health.", http_options, {}, &http},
      Section{"transfer", "", "Limits of taking zones and of telling others.", transfer_options, {}, &transfer},
      Section{"keys",
              "a key",
              "Shared secrets that sign transfers and notifications (TSIG, RFC 8945).",
              key_options,
              {},
              &key,
              "{name: transfer.example., algorithm: hmac-sha256, secret: c2VjcmV0LW9mLTI0LW9jdGV0cy0h}"},
      Section{"primaries",
              "a primary",
              "Servers that zones are taken from, or that are to be notified.",
              peer_options,
              {},
              &peer,
              "{name: hidden1, address: 192.0.2.1@53, key: transfer.example.}"},
      Section{"templates", "a template", "Settings that zones share.", template_options, policy_options,
              &template_entry,
              "{name: default, primaries: [hidden1], allow-transfer: [192.0.2.0/24 key transfer.example.]}"},
      Section{
          "zones", "a zone",
          "The zones of this server. An entry is a mapping, or just the zone's name. What a zone does not say comes "
          "from its template.",
          zone_options, policy_options, &zone, "{name: example.com., primaries: [hidden1]}"},
      Section{"catalogs", "a catalog",
              "Catalogs to take zones from (RFC 9432). A catalog is a zone too; its own settings begin with the "
              "defaults, not with the template of its members.",
              catalog_options, catalog_policy_options, &catalog,
              "{zone: catalog.example., primaries: [hidden1], template: default}"},
  };
  return sections;
}

const Section& section(std::string_view key) {
  return *std::ranges::find(schema(), key, &Section::key);
}

std::span<const Unsupported> unsupported() {
  return unsupported_things;
}

std::string Section::path_of(const Option& option) const {
  return fmt::format("{}{}.{}", key, is_list() ? "[]" : "", option.key);
}

const Option* Section::find(std::string_view option_key) const {
  for (const auto group : {options, policy}) {
    const auto found = std::ranges::find(group, option_key, &Option::key);
    if (found != group.end()) return &*found;
  }
  return nullptr;
}

}  // namespace understudy::config
