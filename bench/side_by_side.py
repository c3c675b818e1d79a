"""What a secondary is measured by first: transfer, memory, one-record updates, answering, a start without its primary."""
import statistics
import time

import peers
import zones as zonekinds
from load import answer_load, median_of

DESCRIPTIONS = {
    "flat": "one zone of SIZE hosts, an A and an AAAA record each",
    "tld": "one zone of SIZE delegations, with glue for one in four and a DS for one in five",
    "hosting": "SIZE zones of 12 records",
    "nsec": "name errors in one signed zone of SIZE hosts with an NSEC chain",
    "nsec3": "name errors in one signed zone of SIZE hosts with an NSEC3 chain",
    "secure": "referrals of one signed zone of SIZE delegations, each with a DS",
}
ROWS = (
    ("transfer_s", "transfer to last answer, s", "{:.2f}"),
    ("memory_mib", "memory, MiB", "{:.0f}"),
    ("memory_after_updates_mib", "memory after updates, MiB", "{:.0f}"),
    ("update_ms", "one-record update, NOTIFY to served, ms", "{:.1f}"),
    ("udp_q_per_cpu_s", "UDP, queries per server CPU-second", "{:,.0f}"),
    ("udp_user_share", "share of user time in that", "{:.2f}"),
    ("edns_do_q_per_cpu_s", "UDP with EDNS and DO, queries per server CPU-second", "{:,.0f}"),
    ("tcp_q_per_cpu_s", "TCP, queries per server CPU-second", "{:,.0f}"),
    ("restart_without_primary_s", "restart without primary to last answer, s", "{:.2f}"),
)


class Workload:
    rows, default_peers, ways = ROWS, tuple(peers.PEERS), tuple(peers.PEERS)

    def __init__(self, kind):
        self.kind = kind

    def prepare(self, root, size):
        self.root = root
        self.zones = zonekinds.KINDS[self.kind](root + "/zones", size)
        self.queries = root + "/zones/queries.txt"

    def measure(self, name, quick):
        primary = peers.KnotPrimary(self.root, self.zones, cpu=peers.CORE_OF_LOAD)
        server = peers.PEERS[name](self.root, self.zones, cpu=peers.CORE_OF_SERVER)
        try:
            primary.start()
            primary.wait()
            server.configure()
            row = {"transfer_s": server.start_and_wait()}
            time.sleep(3)
            row["memory_mib"] = server.memory_mib()
            row["update_ms"] = self.update_ms(primary, server)
            row["memory_after_updates_mib"] = server.memory_mib()
            self.answer(server, row, 2 if quick else 6)
            primary.stop(hard=True)
            server.stop()
            try:
                row["restart_without_primary_s"] = server.start_and_wait(timeout=120)
            except TimeoutError:
                row["restart_without_primary_s"] = None
        finally:
            primary.stop(hard=True)
            server.stop(hard=True)
        return row

    def update_ms(self, primary, server, updates=7):
        zone, lag = next(iter(self.zones)), []
        for i in range(updates):
            old = peers.serial(primary.port, zone)
            primary.update(zone, f"add u{i}.{zone} 300 A 192.0.2.{i + 1}")
            peers.notify(server.port, zone)
            lag.append(server.wait(zone, old + 1, timeout=300) * 1000)
            time.sleep(1.2)
        return statistics.median(lag)

    def answer(self, server, row, seconds, rounds=3):
        for label, extra in (("udp", ()), ("edns_do", ("-D",)), ("tcp", ("-m", "tcp"))):
            runs = [answer_load(server, self.queries, seconds, *extra) for _ in range(rounds)]
            row[label + "_q_per_cpu_s"], row[label + "_qps"] = median_of(runs, "per_cpu_second"), median_of(runs, "qps")
            row[label + "_user_share"], row[label + "_lost"] = median_of(runs, "user_share"), median_of(runs, "lost")

    def finish(self):
        pass
