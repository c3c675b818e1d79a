"""K small zones from one primary: from the start of a secondary that has none of them to the answer of the last."""
import peers
import zones as zonekinds
from load import ANSWERING, QUICK_ANSWERING, add_figures, add_medians, answer_load, start_until_all_answer, waiting_load, waiting_rows
from turns import Turns

DESCRIPTION = "SIZE zones of 12 records, transferred all at once from one primary (ours); `list`, `catalog`: how they are made known"
WAYS = {"understudy": "list", "understudy-catalog": "catalog", "knot": "list", "knot-catalog": "catalog", "nsd": "list", "bind": "list",
        "floor": "list"}
# By itself it makes a connection for each zone; it is faster with connections that are kept, and workers to use them.
TUNED_KNOT = "background-workers: 8\n    remote-pool-limit: 16"
TRANSFERS = 3  # of all zones, by each server in turns
LARGE = 1_000_000  # zones, from which on one transfer by each must do: they take minutes
DEFAULT_PEERS = ("understudy", "understudy-catalog", "knot", "knot-catalog", "nsd")
ROWS = (
    ("transfer_s", "start to the answer of the last zone, s", "{:.1f}"),
    ("cpu_s", "processor time of the secondary for that, s", "{:.1f}"),
    ("memory_mib", "memory at rest, after transfers and answering, MiB", "{:.0f}"),
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
        self.root, self.folder, self.transfers = root, root + "/zones", TRANSFERS if size < LARGE else 1
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

    def measure_all(self, names, quick):
        turns = Turns({name: self.server(name) for name in names})
        seconds, rounds = QUICK_ANSWERING if quick else ANSWERING
        loads = {"udp": answer_load, "udp_waiting": waiting_load}
        try:
            taken = turns.rounds("transfers", 1 if quick else self.transfers, self.take_zones)
            for name, of_rounds in taken.items():
                add_medians(turns.table[name], {key: [row[key] for row in of_rounds] for key in of_rounds[0]})
            taken = turns.rounds("answering", rounds, lambda server: {
                label: ask(server, self.folder + "/queries.txt", seconds) for label, ask in loads.items()})
            for name, of_rounds in taken.items():
                add_figures(turns.table[name], {label: [runs[label] for runs in of_rounds] for label in loads})
            turns.without(lambda server: server.answers_only)
            # What a transfer needed for a while has been given back by now.
            turns.each("memory", lambda server: {"memory_mib": server.memory_mib()})
            turns.each("start with stored zones", self.restart)
        finally:
            turns.stop_all()
        return turns.table

    def server(self, name):
        kind, _, catalog = name.partition("-")
        server = peers.PEERS.get(kind, peers.Floor)(self.root, self.zones, cpu=peers.CORE_OF_SERVER, catalog=zonekinds.CATALOG if catalog else None)
        if catalog:  # runs beside that without
            server.port += 20
            server.root += "-catalog"
        if kind == "knot":
            server.background = TUNED_KNOT
        return server

    def take_zones(self, server):
        """Without anything stored."""
        server.stop()
        server.configure()
        seconds, used = start_until_all_answer(server, self.folder + "/apexes.txt")
        if server.answers_only:
            return {}
        server.settle()
        return {"transfer_s": seconds, "cpu_s": used}

    def restart(self, server):
        server.stop()
        return {"restart_s": start_until_all_answer(server, self.folder + "/apexes.txt")[0]}
