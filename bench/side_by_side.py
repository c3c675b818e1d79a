"""What a secondary is measured by first: transfer in and out, memory, one-record updates, answering, a start without its
primary. What a kind of zone says nothing new about is left out for it."""
import os
import statistics
import time

import peers
import zones as zonekinds
from contents import unlike_the_primary
from load import ANSWERING, QUICK_ANSWERING, add_figures, add_medians, answer_load, waiting_load, waiting_rows
from transfer_out import whole_zone
from turns import Turns

DESCRIPTIONS = {
    "hot": "one zone of SIZE hosts that fits into the cache",
    "flat": "one zone of SIZE hosts, an A and an AAAA record each",
    "zipf": "the same, few names get most of the queries",
    "tld": "one zone of SIZE delegations, with glue for one in four and a DS for one in five",
    "hosting": "SIZE zones of 12 records",
    "nsec": "name errors in one signed zone of SIZE hosts with an NSEC chain",
    "nsec3": "name errors in one signed zone of SIZE hosts with an NSEC3 chain",
    "secure": "referrals of one signed zone of SIZE delegations, each with a DS",
    "mix": "one zone of SIZE hosts; wildcards, CNAMEs with their target, MX with addresses",
}
# How each is called, who asks, and with which options.
LOADS = {
    "udp": ("UDP", answer_load, ()),
    "udp_waiting": ("UDP", waiting_load, ()),
    "edns_do": ("UDP with EDNS and DO", answer_load, ("-D",)),
    "edns_do_waiting": ("UDP with EDNS and DO", waiting_load, ("-D",)),
    "tcp": ("TCP, connections kept", answer_load, ("-m", "tcp")),
    "tcp100": ("TCP, 100 queries a connection", waiting_load, ("-T", "100")),
    "tcp1": ("TCP, a connection for each query", waiting_load, ("-T", "1")),
}
UDP = tuple(label for label in LOADS if not label.startswith("tcp"))
SIGNED = ("edns_do", "edns_do_waiting")
LOADS_OF = {"hot": tuple(LOADS), "flat": (*UDP, "tcp"), "tld": (*UDP, "tcp"), "nsec": SIGNED, "nsec3": SIGNED, "secure": SIGNED}
CHANGES = ("flat", "tld", "hosting", "nsec3")  # kinds whose updates, transfers out and starts are measured too
SAMPLE = 200  # queries whose answers are compared with the primary's

ROWS = (
    ("transfer_s", "transfer to last answer, s", "{:.2f}"),
    ("memory_mib", "memory, MiB", "{:.0f}"),
    ("memory_after_updates_mib", "memory after updates, MiB", "{:.0f}"),
    ("update_ms", "one-record update, NOTIFY to served, ms", "{:.1f}"),
    ("sync_ms", "meanwhile, one sync of the same disk, ms", "{:.1f}"),
    *((f"{label}_q_per_cpu_s", f"{text}, queries per server CPU-second", "{:,.0f}")
      for label, (text, ask, _) in LOADS.items() if ask is answer_load),
    ("udp_user_share", "UDP, share of user time in that", "{:.2f}"),
    ("edns_do_user_share", "UDP with EDNS and DO, share of user time in that", "{:.2f}"),
    *(row for label, (text, ask, _) in LOADS.items() if ask is waiting_load for row in waiting_rows(label, text)),
    ("bad_codes", "answers that are neither NOERROR nor NXDOMAIN, of a million", "{:.0f}"),
    ("unlike_primary", f"of {SAMPLE} queries, answered unlike the primary", "{:.0f}"),
    ("axfr_out_s", "AXFR out of the whole zone, s", "{:.2f}"),
    ("axfr_out_cpu_s", "processor time for that, s", "{:.2f}"),
    ("restart_without_primary_s", "restart without primary to last answer, s", "{:.2f}"),
)


class Workload:
    rows, default_peers, ways = ROWS, tuple(peers.PEERS), (*peers.PEERS, peers.Floor.name)

    def __init__(self, kind):
        self.kind = kind
        self.workers, self.only_answering = 1, False

    def prepare(self, root, size):
        self.root = root
        self.zones = zonekinds.KINDS[self.kind](root + "/zones", size)
        self.queries = root + "/zones/queries.txt"

    def measure_all(self, names, quick):
        primary = peers.KnotPrimary(self.root, self.zones, cpu=peers.CORE_OF_LOAD)
        turns = Turns({name: self.server(name) for name in names})
        try:
            primary.start()
            primary.wait()
            turns.each("transfer", lambda server: self.take_zones(server, primary))
            self.answer(turns, *(QUICK_ANSWERING if quick else ANSWERING))
            if self.kind in CHANGES and not self.only_answering:
                turns.without(lambda server: server.answers_only)
                self.transfer_out(turns, 1 if quick else 3)
                turns.each("updates", lambda server: self.updates(primary, server, *((3, 0.2) if quick else (7, 0.6))))
                primary.stop(hard=True)
                turns.each("start without primary", self.restart)
        finally:
            primary.stop(hard=True)
            turns.stop_all()
        return turns.table

    def server(self, name):
        cls = peers.PEERS.get(name, peers.Floor)
        server = cls(self.root, self.zones, cpu=peers.CORE_OF_SERVER if self.workers == 1 else None)
        server.workers = self.workers
        return server

    def take_zones(self, server, primary):
        server.configure()
        seconds = server.start_and_wait()
        if server.answers_only:
            return {}
        server.settle()
        return {"transfer_s": seconds, "memory_mib": server.memory_mib(),
                "unlike_primary": unlike_the_primary(self.queries, server.port, primary.port, SAMPLE)}

    def answer(self, turns, seconds, rounds):
        """All loads of a round are asked of one server, then of the next."""
        loads = {label: LOADS[label] for label in LOADS_OF.get(self.kind, UDP)}
        taken = turns.rounds("answering", rounds, lambda server: {
            label: ask(server, self.queries, seconds, *options) for label, (_, ask, options) in loads.items()
            if label in UDP or not server.answers_only})
        for name, of_rounds in taken.items():
            add_figures(turns.table[name], {label: [runs[label] for runs in of_rounds] for label in of_rounds[0]})

    def transfer_out(self, turns, rounds):
        taken = turns.rounds("AXFR out", rounds, lambda server: whole_zone(server, next(iter(self.zones))))
        for name, times in taken.items():
            add_medians(turns.table[name], {"axfr_out_s": [s for s, _ in times], "axfr_out_cpu_s": [used for _, used in times]})

    def restart(self, server):
        server.stop()
        try:
            return {"restart_without_primary_s": server.start_and_wait(timeout=120)}
        except TimeoutError:
            return {"restart_without_primary_s": None}

    def updates(self, primary, server, updates, pause):
        """Who makes an update durable first cannot be faster than the disk, which is not always equally fast."""
        zone, lag, syncs = next(iter(self.zones)), [], []
        peers.notify(server.port, zone, primary.port)  # of what was changed for others
        peers.seconds_to_serial(server, zone, peers.serial(primary.port, zone), timeout=300)
        server.settle()
        with open(self.root + "/synced", "wb", buffering=0) as file:
            for i in range(updates):
                old = peers.serial(primary.port, zone)
                primary.update(zone, f"add u{i}-{server.name}.{zone} 300 A 192.0.2.{i + 1}")
                peers.notify(server.port, zone, primary.port)
                lag.append(peers.seconds_to_serial(server, zone, old + 1, timeout=300) * 1000)
                time.sleep(pause)
                syncs.append(self.sync_ms(file))
                time.sleep(pause)
        server.settle()  # for the next
        return {"update_ms": statistics.median(lag), "sync_ms": statistics.median(syncs), "memory_after_updates_mib": server.memory_mib()}

    @staticmethod
    def sync_ms(file):
        begin = time.monotonic()
        file.write(bytes(512))
        os.fdatasync(file.fileno())
        return (time.monotonic() - begin) * 1000

    def finish(self):
        pass
