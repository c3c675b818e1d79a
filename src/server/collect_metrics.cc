#include "server/collect_metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "control/metrics.h"
#include "server/metric_table.h"
#include "zone/memory_pages.h"

namespace understudy {
namespace {

using Counter = std::atomic<std::uint64_t>;
using Families = std::vector<MetricFamily>;

template <typename Owner, typename Read>
double sum(const std::vector<const Owner*>& owners, Read&& read) {
  std::uint64_t total = 0;
  for (const Owner* owner : owners) total += std::invoke(read, *owner).load(std::memory_order_relaxed);
  return static_cast<double>(total);
}

double value_of(const Counter& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

void add(Families& out, const MetricDeclaration* metric, double value) {
  out.push_back({metric, {{{}, value}}});
}

void add_results(Families& out, const MetricDeclaration* metric, std::uint64_t ok, std::uint64_t failed) {
  out.push_back({metric,
                 {{metric_label("result", "ok"), static_cast<double>(ok)},
                  {metric_label("result", "failed"), static_cast<double>(failed)}}});
}

void add_transports(Families& out, const MetricDeclaration* metric, const Workers::Totals& totals,
                    Counter (AnswerCounters::*counters)[2]) {
  MetricFamily family{metric, {}};
  for (const auto transport : {Transport::udp, Transport::tcp}) {
    const auto i = static_cast<std::size_t>(transport);
    family.samples.push_back(
        {metric_label("transport", transport == Transport::udp ? "udp" : "tcp"),
         sum(totals.answers, [&](const AnswerCounters& c) -> const Counter& { return (c.*counters)[i]; })});
  }
  out.push_back(std::move(family));
}

// A sample for each number that was seen; the last slot has all the others.
template <std::size_t slots>
void add_numbers(Families& out, const MetricDeclaration* metric, std::string_view label, const Workers::Totals& totals,
                 Counter (AnswerCounters::*counters)[slots], const std::function<std::string(std::size_t)>& text) {
  MetricFamily family{metric, {}};
  for (std::size_t i = 0; i < slots; ++i) {
    const double count =
        sum(totals.answers, [&](const AnswerCounters& c) -> const Counter& { return (c.*counters)[i]; });
    if (count != 0) family.samples.push_back({metric_label(label, i + 1 == slots ? "other" : text(i)), count});
  }
  out.push_back(std::move(family));
}

void add_cookies(Families& out, const Workers::Totals& totals) {
  MetricFamily family{declared_metric("understudy_cookies"), {}};
  for (const auto& [verdict, word] :
       {std::pair{CookieVerdict::client_only, "client"}, {CookieVerdict::good, "good"}, {CookieVerdict::bad, "bad"}}) {
    const auto read = [v = static_cast<std::size_t>(verdict)](const AnswerCounters& c) -> const Counter& {
      return c.cookies[v];
    };
    family.samples.push_back({metric_label("cookie", word), sum(totals.answers, read)});
  }
  out.push_back(std::move(family));
}

void add_answers(Families& out, const Workers::Totals& totals) {
  const auto& all = totals.answers;
  add_transports(out, declared_metric("understudy_queries"), totals, &AnswerCounters::queries);
  add_transports(out, declared_metric("understudy_received_bytes"), totals, &AnswerCounters::octets_in);
  add_transports(out, declared_metric("understudy_sent_bytes"), totals, &AnswerCounters::octets_out);
  add_numbers(out, declared_metric("understudy_queries_by_type"), "type", totals, &AnswerCounters::types,
              [](std::size_t i) { return type_text(static_cast<RRType>(i)); });
  add_numbers(out, declared_metric("understudy_responses"), "rcode", totals, &AnswerCounters::rcodes,
              [](std::size_t i) { return rcode_text(static_cast<Rcode>(i)); });
  add(out, declared_metric("understudy_truncated_responses"), sum(all, &AnswerCounters::truncated));
  add(out, declared_metric("understudy_unanswered_queries"), sum(all, &AnswerCounters::dropped));
  add(out, declared_metric("understudy_composed_responses"), sum(all, &AnswerCounters::slow));
  add_cookies(out, totals);
  add(out, declared_metric("understudy_notifies_refused"), sum(all, &AnswerCounters::notifies_refused));
  add(out, declared_metric("understudy_outgoing_transfers"), sum(all, &AnswerCounters::transfers));
  add(out, declared_metric("understudy_outgoing_transfers_refused"), sum(all, &AnswerCounters::transfers_refused));
}

void add_sockets(Families& out, const Workers::Totals& totals) {
  add(out, declared_metric("understudy_udp_send_drops"), sum(totals.udp, &UdpCounters::dropped));
  add(out, declared_metric("understudy_udp_receive_errors"), sum(totals.udp, &UdpCounters::receive_errors));
  add(out, declared_metric("understudy_tcp_connections"), sum(totals.streams, &StreamCounters::open));
  add(out, declared_metric("understudy_tcp_accepted"), sum(totals.streams, &StreamCounters::accepted));
  add(out, declared_metric("understudy_tcp_refused"), sum(totals.streams, &StreamCounters::refused));
  add(out, declared_metric("understudy_tcp_evicted"), sum(totals.streams, &StreamCounters::evicted));
  add(out, declared_metric("understudy_tcp_idle_closed"), sum(totals.streams, &StreamCounters::idle_closed));
  add(out, declared_metric("understudy_tcp_write_timeouts"), sum(totals.streams, &StreamCounters::write_timeouts));
}

void add_proxy(Families& out, const Workers::Totals& totals) {
  MetricFamily family{declared_metric("understudy_without_proxy_header"), {}};
  double datagrams = sum(totals.udp, &UdpCounters::without_proxy_header);
  for (const XdpPort* port : totals.interfaces) {
    for (const auto& worker : port->workers()) datagrams += value_of(worker->counters().without_proxy_header);
  }
  family.samples.push_back({metric_label("transport", "udp"), datagrams});
  family.samples.push_back(
      {metric_label("transport", "tcp"), sum(totals.streams, &StreamCounters::without_proxy_header)});
  out.push_back(std::move(family));
}

/// What is counted of one queue.
struct XdpFamilies {
  MetricFamily received{declared_metric("understudy_xdp_received"), {}};
  MetricFamily answered{declared_metric("understudy_xdp_answered"), {}};
  MetricFamily dropped{declared_metric("understudy_xdp_dropped"), {}};
  MetricFamily passed{declared_metric("understudy_xdp_passed"), {}};
  MetricFamily without_socket{declared_metric("understudy_xdp_without_socket"), {}};
  MetricFamily wakeups{declared_metric("understudy_xdp_wakeups"), {}};
  MetricFamily sleeps{declared_metric("understudy_xdp_sleeps"), {}};

  void add(const XdpPort& port, unsigned queue) {
    const XdpWorker& worker = *port.workers()[queue];
    const XdpCounters& c = worker.counters();
    const std::string labels =
        metric_label("interface", port.interface()) + "," + metric_label("queue", std::to_string(queue));
    received.samples.push_back({labels, value_of(c.received)});
    answered.samples.push_back({labels, value_of(c.answered)});
    const XdpPassed left = port.passed(queue);
    passed.samples.push_back({labels, static_cast<double>(left.passed)});
    without_socket.samples.push_back({labels, static_cast<double>(left.without_socket)});
    wakeups.samples.push_back({labels, value_of(c.wakeups)});
    sleeps.samples.push_back({labels, value_of(c.sleeps)});
    const XdpLosses lost = worker.socket().losses();
    for (const auto& [reason, value] : {std::pair{"ring-full", static_cast<double>(lost.ring_full)},
                                        {"no-frame", static_cast<double>(lost.out_of_frames)},
                                        {"kernel", static_cast<double>(lost.other)},
                                        {"checksum", value_of(c.bad_checksum)},
                                        {"forged", value_of(c.forged)},
                                        {"other", value_of(c.not_ours)},
                                        {"unanswered", value_of(c.unanswered)}}) {
      dropped.samples.push_back({labels + "," + metric_label("reason", reason), value});
    }
  }
};

void add_interfaces(Families& out, const Workers::Totals& totals) {
  MetricFamily queues{declared_metric("understudy_xdp_queues"), {}};
  XdpFamilies families;
  for (const XdpPort* port : totals.interfaces) {
    const auto copies = port->workers().front()->socket().is_zero_copy() ? "no" : "yes";
    queues.samples.push_back({metric_label("interface", port->interface()) + "," +
                                  metric_label("mode", xdp_mode_text(port->mode())) + "," +
                                  metric_label("copies", copies),
                              static_cast<double>(port->workers().size())});
    for (unsigned queue = 0; queue < port->workers().size(); ++queue) families.add(*port, queue);
  }
  out.push_back(std::move(queues));
  for (MetricFamily* family : {&families.received, &families.answered, &families.dropped, &families.passed,
                               &families.without_socket, &families.wakeups, &families.sleeps}) {
    out.push_back(std::move(*family));
  }
}

void add_transfers(Families& out, const EngineCounters& c) {
  MetricFamily zones{declared_metric("understudy_zones"), {}};
  for (std::size_t i = 0; i < std::size(c.zones_by_state); ++i) {
    zones.samples.push_back(
        {metric_label("state", zone_state_text(static_cast<ZoneState>(i))), static_cast<double>(c.zones_by_state[i])});
  }
  out.push_back(std::move(zones));
  add_results(out, declared_metric("understudy_checks"), c.checks_ok, c.checks_failed);
  add_results(out, declared_metric("understudy_transfers"), c.transfers_ok, c.transfers_failed);
  add(out, declared_metric("understudy_transfers_by_differences"), static_cast<double>(c.transfers_by_differences));
  add(out, declared_metric("understudy_ixfr_fallbacks"), static_cast<double>(c.differences_failed));
  add(out, declared_metric("understudy_transferred_records"), static_cast<double>(c.transferred_records));
  add(out, declared_metric("understudy_transferred_bytes"), static_cast<double>(c.transferred_octets));
  add(out, declared_metric("understudy_notifies_received"), static_cast<double>(c.notifies_received));
  add_results(out, declared_metric("understudy_notifies_sent"), c.notifies_sent, c.notifies_failed);
  add(out, declared_metric("understudy_compactions"), static_cast<double>(c.compactions));
}

void add_catalogs(Families& out, std::span<const CatalogStatus> catalogs) {
  MetricFamily members{declared_metric("understudy_catalog_members"), {}};
  MetricFamily held{declared_metric("understudy_catalog_held"), {}};
  MetricFamily conflicts{declared_metric("understudy_catalog_conflicts"), {}};
  for (const CatalogStatus& catalog : catalogs) {
    const std::string label = metric_label("catalog", catalog.catalog.text());
    members.samples.push_back({label, static_cast<double>(catalog.members)});
    held.samples.push_back({label, catalog.hold ? 1.0 : 0.0});
    conflicts.samples.push_back({label, static_cast<double>(catalog.conflicts)});
  }
  for (MetricFamily* family : {&members, &held, &conflicts}) out.push_back(std::move(*family));
}

void add_zones(Families& out, const TransferEngine& engine) {
  constexpr std::size_t page = 1000;
  MetricFamily serials{declared_metric("understudy_zone_serial"), {}};
  MetricFamily expiries{declared_metric("understudy_zone_expiry_timestamp_seconds"), {}};
  std::optional<Name> from;
  while (true) {
    const auto zones = engine.list(from, page + 1);
    for (std::size_t i = 0; i < std::min(zones.size(), page); ++i) {
      const std::string labels = metric_label("zone", zones[i].name.text());
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

Families collect_metrics(const Workers::Totals& totals, const TransferEngine& engine,
                         std::span<const CatalogStatus> catalogs, double start_seconds, bool zone_metrics,
                         bool all_known) {
  Families out;
  add_answers(out, totals);
  add_sockets(out, totals);
  add_proxy(out, totals);
  add_interfaces(out, totals);
  add_transfers(out, engine.counters());
  add_catalogs(out, catalogs);
  if (zone_metrics) add_zones(out, engine);
  add(out, declared_metric("understudy_ready"), engine.all_loaded() && all_known ? 1 : 0);
  add(out, declared_metric("understudy_start_time_seconds"), start_seconds);
  add(out, declared_metric("understudy_resident_memory_bytes"), resident_octets());
  add(out, declared_metric("understudy_huge_page_bytes"), static_cast<double>(huge_page_octets()));
  return out;
}

}  // namespace understudy
