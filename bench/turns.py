"""Who is measured when. The machine's speed drifts by half within minutes, so what a ratio compares must have been measured
within seconds: servers that can run together are asked in turns, round after round, and each round gives a ratio."""
import datetime
import traceback


class Turns:
    """The rows of a table, filled step by step by all of `servers` (by name) that are still in it."""

    def __init__(self, servers):
        self.servers, self.table, self.gone = servers, {name: {} for name in servers}, set()

    def left(self):
        return [name for name in self.table if name not in self.gone]

    def without(self, some):
        """From here on without the servers of which some(server) is true."""
        for name in self.left():
            if some(self.servers[name]):
                self.leave(name)

    def each(self, what, step):
        """step(server) of one after the other; what it returns goes into the row."""
        for name in self.left():
            print(f"{datetime.datetime.now():%H:%M:%S}   {name}: {what}", flush=True)
            self.one(name, lambda server, row: row.update(step(server)), self.table[name])

    def rounds(self, what, count, step):
        """step(server) of each in every round, another one first each time; a list of what it returned for each that is left."""
        taken = {name: [] for name in self.left()}
        print(f"{datetime.datetime.now():%H:%M:%S}   {', '.join(taken)}: {what}, {count} rounds", flush=True)
        for number in range(count):
            names = self.left()
            at = number % max(len(names), 1)
            for name in names[at:] + names[:at]:
                self.one(name, lambda server, runs: runs.append(step(server)), taken[name])
        return {name: taken[name] for name in self.left()}

    def one(self, name, step, into):
        """Who fails is stopped, and left out from then on."""
        try:
            step(self.servers[name], into)
        except Exception as error:
            traceback.print_exc()
            self.table[name]["error"] = f"{type(error).__name__}: {error}"
            self.leave(name)

    def leave(self, name):
        self.gone.add(name)
        if self.servers[name] is not None:
            self.servers[name].stop(hard=True)

    def stop_all(self):
        for name in self.servers:
            self.leave(name)


class OneByOne:
    """For workloads that have the machine for themselves: `measure` makes, measures and stops one server."""

    def measure_all(self, names, quick):
        turns = Turns(dict.fromkeys(names))
        for name in names:
            turns.one(name, lambda _, row, name=name: row.update(self.measure(name, quick)), turns.table[name])
        return turns.table
