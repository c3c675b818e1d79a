"""K small zones from one primary: from the start of a secondary that has none of them to the answer of the last."""
import peers
import zones as zonekinds
from load import ANSWERING, QUICK_ANSWERING, answer_load, figures, start_until_all_answer, waiting_load, waiting_rows

DESCRIPTION = "SIZE zones of 12 records, transferred all at once from one primary (ours); `list`, `catalog`: how they are made known"
WAYS = {"understudy": "list", "understudy-catalog": "catalog", "knot": "list", "knot-catalog": "catalog", "nsd": "list", "bind": "list"}
# By itself it makes a connection for each zone; it is faster with connections that are kept, and workers to use them.
TUNED_KNOT = "background-workers: 8\n    remote-pool-limit: 16"
DEFAULT_PEERS = ("understudy", "understudy-catalog", "knot", "knot-catalog", "nsd")
ROWS = (
    ("transfer_s", "start to the answer of the last zone, s", "{:.1f}"),
    ("cpu_s", "processor time of the secondary for that, s", "{:.1f}"),
    ("memory_mib", "memory then, MiB", "{:.0f}"),
    ("udp_q_per_cpu_s", "UDP, queries per server CPU-second", "{:,.0f}"),
    *waiting_rows("udp_waiting", "UDP"),
    ("bad_codes", "answers that are neither NOERROR nor NXDOMAIN, of a million", "{:.0f}"),
    ("restart_s", "start with stored zones to the answer of the last, s", "{:.1f}"),
)


class SmallZones:
    """Many small zones and a catalog of them at one primary, ours."""

    def __init__(self, kind):
        self.primary = None

    def prepare(self, root, size):
        self.root, self.folder = root, root + "/zones"
        self.zones = zonekinds.small(self.folder, size)
        self.primary = peers.Producer(root, self.zones | {zonekinds.CATALOG: zonekinds.catalog_file(self.folder)},
                                      cpu=peers.CORE_OF_LOAD)
        self.primary.configure()
        self.primary.start_and_wait()

    def finish(self):
        if self.primary:
            self.primary.stop(hard=True)


class Workload(SmallZones):
    rows, default_peers, ways = ROWS, DEFAULT_PEERS, WAYS

    def measure(self, name, quick):
        cls = peers.PEERS[name.split("-")[0]]
        catalog = zonekinds.CATALOG if WAYS[name] == "catalog" else None
        server = cls(self.root, self.zones, cpu=peers.CORE_OF_SERVER, catalog=catalog)
        if name.startswith("knot"):
            server.background = TUNED_KNOT
        server.configure()
        try:
            seconds, used = start_until_all_answer(server, self.folder + "/apexes.txt")
            row = {"transfer_s": seconds, "cpu_s": used, "memory_mib": server.memory_mib()}
            server.settle()
            bad = asked = 0
            for label, ask in (("udp", answer_load), ("udp_waiting", waiting_load)):
                seconds, rounds = QUICK_ANSWERING if quick else ANSWERING
                runs = [ask(server, self.folder + "/queries.txt", seconds) for _ in range(rounds)]
                row |= figures(label, runs)
                bad, asked = bad + sum(run.bad_codes for run in runs), asked + sum(run.queries for run in runs)
            row["bad_codes"] = bad * 1e6 / max(asked, 1)
            server.stop()
            row["restart_s"], _ = start_until_all_answer(server, self.folder + "/apexes.txt")
            return row
        finally:
            server.stop(hard=True)
