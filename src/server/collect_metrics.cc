#include "server/collect_metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "control/metrics.h"

namespace understudy {
namespace {

using Counter = std::atomic<std::uint64_t>;

template <typename Owner, typename Read>
double sum(const std::vector<const Owner*>& owners, Read&& read) {
  std::uint64_t total = 0;
  for (const Owner* owner : owners) total += std::invoke(read, *owner).load(std::memory_order_relaxed);
  return static_cast<double>(total);
}

MetricFamily counter(std::string name, std::string help, double value) {
  return {std::move(name), true, {}, std::move(help), {{{}, value}}};
}

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, escape_label(value));
}

void add_answers(std::vector<MetricFamily>& out, const Workers::Totals& totals) {
  MetricFamily queries{"understudy_queries", true, {}, "Queries received, by transport", {}};
  MetricFamily received{"understudy_received_bytes", true, "bytes", "Octets of queries received, by transport", {}};
  MetricFamily sent{"understudy_sent_bytes", true, "bytes", "Octets of responses sent, by transport", {}};
  for (std::size_t t = 0; t < 2; ++t) {
    const std::string labels = label("transport", t == 0 ? "udp" : "tcp");
    queries.samples.push_back(
        {labels, sum(totals.answers, [t](const AnswerCounters& c) -> const Counter& { return c.queries[t]; })});
    received.samples.push_back(
        {labels, sum(totals.answers, [t](const AnswerCounters& c) -> const Counter& { return c.octets_in[t]; })});
    sent.samples.push_back(
        {labels, sum(totals.answers, [t](const AnswerCounters& c) -> const Counter& { return c.octets_out[t]; })});
  }
  MetricFamily types{"understudy_queries_by_type", true, {}, "Queries received, by type; rare types together", {}};
  for (std::size_t i = 0; i < AnswerCounters::type_slots; ++i) {
    const double value = sum(totals.answers, [i](const AnswerCounters& c) -> const Counter& { return c.types[i]; });
    if (value == 0) continue;
    const bool other = i + 1 == AnswerCounters::type_slots;
    types.samples.push_back({label("type", other ? "other" : type_text(static_cast<RRType>(i))), value});
  }
  MetricFamily rcodes{"understudy_responses", true, {}, "Responses, by response code", {}};
  for (std::size_t i = 0; i < AnswerCounters::rcode_slots; ++i) {
    const double value = sum(totals.answers, [i](const AnswerCounters& c) -> const Counter& { return c.rcodes[i]; });
    if (value != 0) rcodes.samples.push_back({label("rcode", rcode_text(static_cast<Rcode>(i))), value});
  }
  for (auto* family : {&queries, &received, &sent, &types, &rcodes}) out.push_back(std::move(*family));
  out.push_back(counter("understudy_truncated_responses", "UDP responses with TC",
                        sum(totals.answers, &AnswerCounters::truncated)));
  out.push_back(counter("understudy_unanswered_queries",
                        "Messages that get no answer: responses, fragments of a header",
                        sum(totals.answers, &AnswerCounters::dropped)));
  out.push_back(counter("understudy_refused_notifies", "NOTIFY from others than the zone's rules allow",
                        sum(totals.answers, &AnswerCounters::notifies_refused)));
  out.push_back(counter("understudy_outgoing_transfers", "Zone transfers that others took from here",
                        sum(totals.answers, &AnswerCounters::transfers)));
  out.push_back(counter("understudy_refused_transfers", "Zone transfers refused by allow-transfer",
                        sum(totals.answers, &AnswerCounters::transfers_refused)));
  out.push_back(counter("understudy_udp_send_drops", "UDP responses that the system did not take",
                        sum(totals.udp, &UdpCounters::dropped)));
  out.push_back({"understudy_tcp_connections",
                 false,
                 {},
                 "TCP connections open now",
                 {{{}, sum(totals.streams, &StreamCounters::open)}}});
  out.push_back(
      counter("understudy_tcp_accepted", "TCP connections accepted", sum(totals.streams, &StreamCounters::accepted)));
  out.push_back(counter("understudy_tcp_refused", "TCP connections closed at once for a limit",
                        sum(totals.streams, &StreamCounters::refused)));
}

void add_transfers(std::vector<MetricFamily>& out, const EngineCounters& c) {
  const auto pair = [](std::string name, std::string help, std::uint64_t ok, std::uint64_t failed) {
    return MetricFamily{
        std::move(name),
        true,
        {},
        std::move(help),
        {{label("result", "ok"), static_cast<double>(ok)}, {label("result", "failed"), static_cast<double>(failed)}}};
  };
  out.push_back(pair("understudy_transfers", "Zone transfers taken, by result", c.transfers_ok, c.transfers_failed));
  out.push_back(pair("understudy_checks", "SOA checks with primaries, by result", c.checks_ok, c.checks_failed));
  out.push_back(counter("understudy_transferred_records", "Records received in transfers",
                        static_cast<double>(c.transferred_records)));
  MetricFamily octets = counter("understudy_transferred_bytes", "Octets received in transfers",
                                static_cast<double>(c.transferred_octets));
  octets.unit = "bytes";
  out.push_back(std::move(octets));
  out.push_back(counter("understudy_notifies_received", "NOTIFY taken", static_cast<double>(c.notifies_received)));
  out.push_back(pair("understudy_notifies_sent", "Secondaries notified of a new serial, by result", c.notifies_sent,
                     c.notifies_failed));
  MetricFamily zones{"understudy_zones", false, {}, "Zones, by state", {}};
  for (std::size_t i = 0; i < std::size(c.zones_by_state); ++i) {
    zones.samples.push_back(
        {label("state", zone_state_text(static_cast<ZoneState>(i))), static_cast<double>(c.zones_by_state[i])});
  }
  out.push_back(std::move(zones));
}

void add_zones(std::vector<MetricFamily>& out, const TransferEngine& engine) {
  constexpr std::size_t page = 1000;
  MetricFamily serials{"understudy_zone_serial", false, {}, "Serial of each zone's version", {}};
  MetricFamily expiries{"understudy_zone_expiry_timestamp_seconds",
                        false,
                        "seconds",
                        "When each zone expires unless a primary confirms it",
                        {}};
  std::optional<Name> from;
  while (true) {
    const auto zones = engine.list(from, page + 1);
    for (std::size_t i = 0; i < std::min(zones.size(), page); ++i) {
      const std::string labels = label("zone", zones[i].name.text());
      if (zones[i].serial) serials.samples.push_back({labels, static_cast<double>(zones[i].serial->value)});
      if (zones[i].expires_at != 0) expiries.samples.push_back({labels, static_cast<double>(zones[i].expires_at)});
    }
    if (zones.size() <= page) break;
    from = zones[page].name;
  }
  out.push_back(std::move(serials));
  out.push_back(std::move(expiries));
}

double resident_octets() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  long size = 0, resident = 0;
  const int read = std::fscanf(file, "%ld %ld", &size, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

std::vector<MetricFamily> collect_metrics(const Workers::Totals& totals, const TransferEngine& engine,
                                          double start_seconds, bool zone_metrics) {
  std::vector<MetricFamily> out;
  add_answers(out, totals);
  add_transfers(out, engine.counters());
  out.push_back({"process_start_time_seconds", false, "seconds", "When the server started", {{{}, start_seconds}}});
  out.push_back({"process_resident_memory_bytes", false, "bytes", "Resident memory", {{{}, resident_octets()}}});
  if (zone_metrics) add_zones(out, engine);
  return out;
}

}  // namespace understudy
