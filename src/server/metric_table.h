// Every metric of the server, declared once: what is exposed and the manual both come from this table.
#pragma once

#include <span>
#include <string_view>

#include "control/server_control.h"

namespace understudy {

inline constexpr MetricDeclaration metric_table[] = {
    // What was asked and answered
    {"understudy_queries", true, "", "transport", "Queries received."},
    {"understudy_received_bytes", true, "bytes", "transport", "Octets of queries received."},
    {"understudy_sent_bytes", true, "bytes", "transport", "Octets of responses sent."},
    {"understudy_queries_by_type", true, "", "type", "Queries received, by type; rare types together as `other`."},
    {"understudy_responses", true, "", "rcode", "Responses, by response code."},
    {"understudy_truncated_responses", true, "", "", "UDP responses with TC: the client asks again by TCP."},
    {"understudy_unanswered_queries", true, "", "", "Messages that get no answer: responses, fragments of a header."},
    {"understudy_composed_responses", true, "", "", "Responses that were composed off the fast path."},
    {"understudy_cookies", true, "", "cookie",
     "Queries with a DNS cookie: `client` without a server's, with a `good` or a `bad` one of ours."},
    {"understudy_notifies_refused", true, "", "", "NOTIFY from others than the zone's rules allow."},
    {"understudy_outgoing_transfers", true, "", "", "Zone transfers that others took from here."},
    {"understudy_outgoing_transfers_refused", true, "", "", "Zone transfers refused by `allow-transfer`."},
    // Sockets
    {"understudy_udp_send_drops", true, "", "", "UDP responses that the system did not take."},
    {"understudy_udp_receive_errors", true, "", "", "Errors of the system while receiving by UDP."},
    {"understudy_tcp_connections", false, "", "", "TCP connections open now."},
    {"understudy_tcp_accepted", true, "", "", "TCP connections accepted."},
    {"understudy_tcp_refused", true, "", "", "TCP connections closed at once because a limit was reached."},
    {"understudy_tcp_evicted", true, "", "", "TCP connections closed to make room for others, longest idle first."},
    {"understudy_tcp_idle_closed", true, "", "", "TCP connections closed because nothing came."},
    {"understudy_tcp_write_timeouts", true, "", "",
     "TCP connections closed because the client took too little of what waited for it."},
    {"understudy_without_proxy_header", true, "", "transport",
     "Datagrams dropped and connections closed that `server.proxy-from` wants a PROXY header of."},
    // AF_XDP (`server.xdp`)
    {"understudy_xdp_queues", false, "", "interface, mode, copies",
     "Queues that are used: `native` or `generic` mode, `copies` is `no` with zero-copy."},
    {"understudy_xdp_received", true, "", "interface, queue", "Frames taken by AF_XDP."},
    {"understudy_xdp_answered", true, "", "interface, queue", "Frames answered by AF_XDP."},
    {"understudy_xdp_dropped", true, "", "interface, queue, reason",
     "Frames lost or dropped: `ring-full`, `no-frame` and `kernel` before they were ours; damaged (`checksum`), from "
     "nobody (`forged`), no query (`other`), without an answer (`unanswered`)."},
    {"understudy_xdp_passed", true, "", "interface, queue", "Frames left to the kernel: other protocols, other ports."},
    {"understudy_xdp_without_socket", true, "", "interface, queue",
     "Queries left to the kernel because the queue has no socket."},
    {"understudy_xdp_wakeups", true, "", "interface, queue", "System calls to have the kernel send or receive."},
    {"understudy_xdp_sleeps", true, "", "interface, queue", "Times that the queue's thread had nothing to do."},
    // Keeping zones
    {"understudy_zones", false, "", "state", "Zones, by state."},
    {"understudy_checks", true, "", "result", "Checks with primaries, by result."},
    {"understudy_transfers", true, "", "result", "Zone transfers taken, by result."},
    {"understudy_transfers_by_differences", true, "", "", "Of the transfers taken, those of differences only (IXFR)."},
    {"understudy_ixfr_fallbacks", true, "", "",
     "Differences that were of no use: the whole zone was asked for instead."},
    {"understudy_transferred_records", true, "", "", "Records received in transfers."},
    {"understudy_transferred_bytes", true, "bytes", "", "Octets received in transfers."},
    {"understudy_notifies_received", true, "", "", "NOTIFY taken from primaries."},
    {"understudy_notifies_sent", true, "", "result", "NOTIFY sent to other secondaries, by result."},
    {"understudy_compactions", true, "", "", "Large zones whose memory, mostly free, was compacted."},
    {"understudy_catalog_members", false, "", "catalog", "Zones that the catalog provides."},
    {"understudy_catalog_held", false, "", "catalog", "1 while an update of the catalog is held, or it is broken."},
    {"understudy_catalog_conflicts", false, "", "catalog", "Zones that the catalog lists and another source has."},
    {"understudy_zone_serial", false, "", "zone", "Serial of the zone's version."},
    {"understudy_zone_expiry_timestamp_seconds", false, "seconds", "zone",
     "When the zone expires unless a primary confirms it, in seconds since 1970."},
    // The process
    {"understudy_ready", false, "", "", "1 once every stored zone is answered."},
    {"understudy_start_time_seconds", false, "seconds", "", "When the server started, in seconds since 1970."},
    {"understudy_resident_memory_bytes", false, "bytes", "", "Memory of the process that is resident."},
    {"understudy_huge_page_bytes", false, "bytes", "", "Of that, what lies on pages of 2 MiB, as large zones should."},
};

/// The declaration of that name; a name that is not declared does not compile.
consteval const MetricDeclaration* declared_metric(std::string_view name) {
  for (const auto& metric : metric_table) {
    if (metric.name == name) return &metric;
  }
  throw "no such metric";
}

}  // namespace understudy
