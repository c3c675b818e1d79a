"""Very many small zones at rest: what they take while nothing happens, to start with, and to be checked.

The zones come by a catalog from a primary that is ours too (from configuration where a peer knows no catalogs). At rest
no zone is due: they were taken minutes ago, and their refresh interval is an hour. Then the server is started again with
a refresh interval of ten seconds, so that all zones are due at once and it checks as many a second as it may ask one
primary; that gives the cost of a check, hence of an hourly check of each.
"""
import os
import re
import time

import many
import peers
import zones as zonekinds
from load import start_until_all_answer
from turns import OneByOne

DESCRIPTION = "SIZE zones of 12 records by catalog: taking them, memory, processor time at rest and for checks, starting again"
DEFAULT_PEERS = ("understudy",)
ROWS = (
    ("catalog_s", "catalog received to all its members known, s", "{:.1f}"),
    ("transfer_s", "start without zones to the answer of the last, s", "{:.1f}"),
    ("memory_mib", "memory then, MiB", "{:,.0f}"),
    ("octets_a_zone", "octets a zone", "{:,.0f}"),
    ("rest_share", "at rest: share of a core", "{:.5f}"),
    ("restart_s", "start with stored zones to the answer of the last, s", "{:.1f}"),
    ("restart_memory_mib", "memory then, MiB", "{:,.0f}"),
    ("checks_per_s", "all zones due: checks a second", "{:,.0f}"),
    ("check_us", "processor time of a check, us", "{:.1f}"),
    ("hourly_share", "share of a core that an hourly check of each zone takes", "{:.4f}"),
)


def seconds_of_log_line(text):
    """The time of day in front of a line of our log."""
    hours, minutes, seconds = re.match(r"\d+-\d+-\d+T(\d+):(\d+):([\d.]+)", text).groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


class Workload(OneByOne, many.SmallZones):
    rows, default_peers, ways = ROWS, DEFAULT_PEERS, ("understudy", "knot", "nsd", "bind")

    def measure(self, name, quick):
        cls, row = peers.PEERS[name], {}
        catalog = zonekinds.CATALOG if name in ("understudy", "knot") else None
        server = cls(self.root, self.zones, cpu=peers.CORE_OF_SERVER, catalog=catalog)
        server.log_level = "info"  # for catalog_seconds()
        server.configure()
        try:
            row["transfer_s"] = self.start(server)
            if name == "understudy":
                row["catalog_s"] = self.catalog_seconds(server)
            time.sleep(2 if quick else 20)  # what the disk is still told afterwards
            row["memory_mib"] = server.memory_mib()
            row["octets_a_zone"] = row["memory_mib"] * 2 ** 20 / len(self.zones)
            row["rest_share"] = self.share(server, 5 if quick else 60)
            server.stop()
            row["restart_s"] = self.start(server)
            row["restart_memory_mib"] = server.memory_mib()
            if name == "understudy":
                server.stop()
                self.checks(server, row, *((3, 5) if quick else (15, 30)))
        finally:
            server.stop(hard=True)
        return row

    def start(self, server):
        return start_until_all_answer(server, self.folder + "/apexes.txt")[0]

    @staticmethod
    def share(server, seconds):
        before = sum(server.cpu_seconds())
        time.sleep(seconds)
        return (sum(server.cpu_seconds()) - before) / seconds

    @staticmethod
    def catalog_seconds(server):
        with open(os.path.join(server.root, "log")) as log:
            lines = [line for line in log if "catalog" in line]
        received = next(line for line in lines if f"zone {zonekinds.CATALOG}: AXFR" in line)
        known = next(line for line in lines if "members" in line)
        return seconds_of_log_line(known) - seconds_of_log_line(received)

    def checks(self, server, row, until_all_are_due, seconds):
        checks = 'understudy_checks_total{result="ok"}'
        server.template = "    refresh-max: 10s\n"
        server.write_configuration()
        server.start()
        server.wait()
        time.sleep(until_all_are_due)
        before = server.metric(checks)
        used = self.share(server, seconds) * seconds
        made = server.metric(checks) - before
        row["checks_per_s"], row["check_us"] = made / seconds, used * 1e6 / max(made, 1)
        row["hourly_share"] = row["check_us"] * 1e-6 * len(self.zones) / 3600
