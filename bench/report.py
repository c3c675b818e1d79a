"""doc/performance.md from results: targets, tables, plots, and the data as JSON (what this reads again) and CSV.

What stands in the document before MARK is written by hand and kept.
"""
import csv
import json
import os
import statistics
from dataclasses import dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCUMENT = os.path.join(ROOT, "doc", "performance.md")
FOLDER = os.path.join(ROOT, "doc", "performance")
MARK = "<!-- bench/compare writes what follows -->\n"
OURS = "understudy"
MORE_IS_BETTER = ("q_per_cpu_s", "qps", "served", "checks_per_s")
# Figures that say nothing about who is better.
NEUTRAL = ("versions", "rate", "q_per_s", "versions_per_step", "catalog_s", "lost_ppm", "bad_codes", "unlike_primary")
COLOURS = {"understudy": "#c0392b", "knot": "#2980b9", "nsd": "#27ae60", "bind": "#8e44ad", "pdns": "#e67e22"}


TARGETS_TEXT = """Each against the best of the other servers in the same run, or as it is. Queries per CPU-second are those with queries
waiting where that was measured, as then a core does all it can; those of a load that leaves it time to wait are in the tables.
Where servers took turns, a ratio is the median of the ratios of all rounds, with the least and the greatest behind it. `floor`
is what a program would reach that receives, copies a fixed answer and sends: the limit for any server by that way."""


@dataclass
class Target:
    """How `metric` of `task` should compare: with the best of the others (or of those in `beside`) if `ratio`, else as it is."""
    text: str
    task: str
    metric: str
    wanted: float
    ratio: bool = True
    beside: tuple = ()
    ours: str = OURS

    def metric_in(self, table):
        """The metric that is compared."""
        return with_waiting(table, self.metric, self.ours, self.beside)


WAITING = "_waiting_q_per_cpu_s"


def with_waiting(table, metric, ours=OURS, beside=()):
    """The same metric with queries waiting, where ours and another were measured so: dnsperf leaves a fast server without
    work most of the time, but what it can do matters when it has more than enough. Else the metric itself."""
    waiting = metric.removesuffix("_q_per_cpu_s") + WAITING
    return waiting if metric.endswith("_q_per_cpu_s") and best_other(table, waiting, ours, beside) else metric


TARGETS = (
    Target("UDP, a hot small zone, queries per CPU-second", "hot", "udp_q_per_cpu_s", 1.3),
    Target("UDP, 1 M names, uniform", "flat", "udp_q_per_cpu_s", 2),
    Target("UDP, 100,000 small zones, uniform", "many", "udp_q_per_cpu_s", 2.5),
    Target("UDP, 1,000,000 small zones, uniform", "many-large", "udp_q_per_cpu_s", 2.5),
    Target("name errors with NSEC, DO", "nsec", "edns_do_q_per_cpu_s", 3),
    Target("name errors with NSEC3, DO", "nsec3", "edns_do_q_per_cpu_s", 3),
    Target("TCP, a connection for each query", "hot", "tcp1_q_per_cpu_s", 1.5),
    Target("TCP, 100 queries a connection", "hot", "tcp100_q_per_cpu_s", 1.5),
    Target("AF_XDP on a veth pair, beside Knot's", "xdp", "q_per_cpu_s", 2, ours="understudy-xdp", beside=("knot-xdp",)),
    Target("the same, 1,500 queries waiting", "xdp", "backlog_1500_q_per_cpu_s", 2, ours="understudy-xdp", beside=("knot-xdp",)),
    Target("instructions outside the kernel for a query, beside Knot's", "instructions", "instructions", 1 / 3, beside=("knot",)),
    Target("memory, 1 M delegations", "tld", "memory_mib", 1 / 2),
    Target("memory, 100,000 small zones", "many", "memory_mib", 1 / 2),
    Target("memory, 1,000,000 small zones", "many-large", "memory_mib", 1 / 2),
    Target("one-record update in 1 M hosts, NOTIFY to served, ms", "flat", "update_ms", 3, ratio=False),
    Target("one-record update in 1 M delegations, ms", "tld", "update_ms", 3, ratio=False),
    Target("time of answering for a request while 1,000 records a second change, against at rest, all threads on one core", "stream",
           "us_ratio", 1.02, ratio=False),
    Target("the same with what takes the updates on another core", "stream", "us_ratio_apart", 1.02, ratio=False),
    Target("transfer in, 1 M hosts", "flat", "transfer_s", 1 / 2),
    Target("transfer in, 100,000 zones, beside Knot's", "many", "transfer_s", 1 / 3, beside=("knot", "knot-catalog")),
    Target("restart without primary, 1 M hosts, s", "flat", "restart_without_primary_s", 0.3, ratio=False),
    Target("start with 1 M stored zones, s", "rest", "restart_s", 2, ratio=False),
    Target("at rest with 1 M zones, share of a core", "rest", "rest_share", 0.01, ratio=False),
    Target("the same with an hourly check of each", "rest", "hourly_share", 0.01, ratio=False),
)


def more_is_better(metric):
    return metric.endswith(MORE_IS_BETTER)


def read_results():
    path = os.path.join(FOLDER, "results.json")
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


def best_other(table, metric, ours=OURS, beside=()):
    """Name and figure of the best of the others."""
    others = {name: row[metric] for name, row in table.items()
              if row.get(metric) is not None and (name in beside if beside else not name.startswith((OURS, "floor")))}
    if not others or table.get(ours, {}).get(metric) is None:
        return None
    return (max if more_is_better(metric) else min)(others.items(), key=lambda item: item[1])


def ratios_to_best(table, metric, ours=OURS, beside=()):
    """Those of each round, as its figures were measured within seconds; where there are no rounds, the one of the two figures."""
    best = best_other(table, metric, ours, beside)
    if not best or not best[1]:
        return []
    mine, other = (table[name].get("rounds", {}).get(metric, []) for name in (ours, best[0]))
    if mine and len(mine) == len(other) and all(other):
        return [a / b for a, b in zip(mine, other)]
    return [table[ours][metric] / best[1]]


def ratio_to_best(table, metric, ours=OURS, beside=()):
    """The median of ratios_to_best(), or None."""
    ratios = ratios_to_best(table, metric, ours, beside)
    return statistics.median(ratios) if ratios else None


def table_of(result):
    table, names = result["table"], list(result["table"])
    lines = ["| | " + " | ".join(names) + " | ours / best other |", "|---" * (len(names) + 2) + "|"]
    for metric, label, form in result["rows"]:
        if not any(row.get(metric) is not None for row in table.values()):
            continue
        cells = [form.format(table[n][metric]) if table[n].get(metric) is not None else "-" for n in names]
        ratio = None if metric.endswith(NEUTRAL) or "share" in metric else ratio_to_best(table, metric)
        cells.append(f"{ratio:.2f}" if ratio is not None else "")
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def target_table(results):
    lines = ["| | wanted | reached | | floor | measured on |", "|---|---|---|---|---|---|"]
    for target in TARGETS:
        result = results.get(target.task)
        reached, text, spread, floor = None, target.text, "", None
        if result and target.ratio:
            metric = target.metric_in(result["table"])
            ratios = ratios_to_best(result["table"], metric, target.ours, target.beside)
            reached = statistics.median(ratios) if ratios else None
            floor = ratio_to_best(result["table"], metric, target.ours.replace(OURS, "floor"), target.beside)
            spread = f" ({min(ratios):.3g} to {max(ratios):.3g})" if len(ratios) > 1 else ""
            text += ", queries waiting" if metric.endswith(WAITING) else ""
        elif result:
            reached = result["table"].get(target.ours, {}).get(target.metric)
        least = target.ratio and more_is_better(target.metric)
        wanted = f"{'>=' if least else '<='} {target.wanted:.3g}" + (" times" if target.ratio else "")
        if reached is None:
            lines.append(f"| {text} | {wanted} | | not measured | | |")
            continue
        met = reached >= target.wanted if least else reached <= target.wanted
        figure = f"{reached:.3g}"
        if not met and figure == f"{target.wanted:.3g}":
            figure = f"{reached:.4g}"
        scale = f"{result['size']:,}{', quick' if result['quick'] else ''}, {result['date']}"
        lines.append(f"| {text} | {wanted} | {figure}{spread} | {'met' if met else '**missed**'} | {f'{floor:.3g}' if floor else ''} | {scale} |")
    return "\n".join(lines)


def section(result):
    workers = f", {result['workers']} workers" if result["workers"] > 1 else ""
    failed = [f"{name} did not finish: {row['error']}" for name, row in result["table"].items() if "error" in row]
    return "\n\n".join(filter(None, [
        f"### `{result['task']}`: {result['size']:,}{workers}",
        f"{result['description'].replace('SIZE', format(result['size'], ','))}. "
        f"{result['date']}, {'quick, ' if result['quick'] else ''}load {result['load_before']} before, {result['seconds']} s.",
        table_of(result), *failed]))


def bars(axes, groups, peers, value, title, log=False):
    """A group of bars for each of `groups`, a bar for each peer that has the value."""
    width = 0.8 / max(len(peers), 1)
    for at, peer in enumerate(peers):
        points = [(i + at * width, value(group, peer)) for i, group in enumerate(groups)]
        points = [(x, y) for x, y in points if y]
        axes.bar([x for x, _ in points], [y for _, y in points], width, label=peer, color=COLOURS.get(peer, "#7f8c8d"))
    axes.set_xticks([i + 0.4 - width / 2 for i in range(len(groups))], [str(g[-1]) for g in groups], rotation=20, ha="right", fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    if log:
        axes.set_yscale("log")


def value_of(results):
    def value(group, peer):
        return results[group[0]]["table"].get(peer, {}).get(group[1])
    return value


def answering_plot(plt, results, workers):
    wanted = [(f"{kind}:{workers}" if workers > 1 else kind, f"{load}_q_per_cpu_s", text) for kind, load, text in (
        ("hot", "udp", "hot zone"), ("flat", "udp", "hosts"), ("zipf", "udp", "hosts, Zipf"), ("tld", "udp", "delegations"),
        ("mix", "udp", "wildcard, CNAME, MX"), ("many", "udp", "many zones"), ("nsec", "edns_do", "NSEC errors"), ("nsec3", "edns_do", "NSEC3 errors"),
        ("secure", "edns_do", "signed referrals"), ("hot", "tcp", "TCP kept"), ("hot", "tcp100", "TCP 100"), ("hot", "tcp1", "TCP 1"))]
    groups = [(task, with_waiting(results[task]["table"], metric), text) for task, metric, text in wanted if task in results]
    if not groups:
        return None
    figure, axes = plt.subplots(figsize=(11, 4.5), layout="constrained")
    waiting = ", by UDP with queries waiting" if any(metric.endswith(WAITING) for _, metric, _ in groups) else ""
    bars(axes, groups, list(COLOURS), value_of(results),
         f"Queries per CPU-second of the server, {workers} worker{'s' * (workers > 1)}{waiting}")
    axes.legend(fontsize=8)
    return save(plt, figure, "answering.png" if workers == 1 else f"answering-{workers}-workers.png")


def replication_plot(plt, results):
    kinds = [k for k in ("flat", "tld", "nsec3") if k in results]
    if not kinds:
        return None
    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for part, (metric, title, log) in zip(axes.flat, (
            ("transfer_s", "Transfer in, s", False), ("restart_without_primary_s", "Restart without primary, s", False),
            ("update_ms", "One-record update, ms", True), ("memory_mib", "Memory, MiB", False), ("axfr_out_s", "AXFR out, s", False),
            ("axfr_out_cpu_s", "AXFR out, processor time, s", False))):
        bars(part, [(k, metric, k) for k in kinds], list(COLOURS), value_of(results), title, log)
    axes.flat[0].legend(fontsize=8)
    return save(plt, figure, "replication.png")


def ratio_plot(plt, results):
    compared = [(t, results[t.task]["table"]) for t in TARGETS if t.ratio and t.task in results]
    rows = [(t.text, ratio_to_best(table, t.metric_in(table), t.ours, t.beside), t) for t, table in compared]
    rows = [row for row in rows if row[1]][::-1]
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(11, 0.4 * len(rows) + 1), layout="constrained")
    # As "times better", so that all bars point the same way.
    better = [r if more_is_better(t.metric) else 1 / r for _, r, t in rows]
    wanted = [t.wanted if more_is_better(t.metric) else 1 / t.wanted for _, _, t in rows]
    axes.barh(range(len(rows)), better, color=["#27ae60" if b >= w else "#c0392b" for b, w in zip(better, wanted)])
    axes.plot(wanted, range(len(rows)), "k|", markersize=14, label="target")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [text for text, _, _ in rows], fontsize=8)
    axes.set_xlim(left=0)
    axes.set_xlabel("times better than the best of the others")
    axes.legend(fontsize=8)
    return save(plt, figure, "ratios.png")


def save(plt, figure, name):
    figure.savefig(os.path.join(FOLDER, name), dpi=90, metadata={"Software": None})
    plt.close(figure)
    return name


def plots(results):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    made = [ratio_plot(plt, results), answering_plot(plt, results, 1), answering_plot(plt, results, 2), replication_plot(plt, results)]
    return [name for name in made if name]


def write_data(results):
    with open(os.path.join(FOLDER, "results.json"), "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    with open(os.path.join(FOLDER, "results.csv"), "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["workload", "size", "workers", "date", "quick", "server", "metric", "value"])
        for result in results.values():
            for name, row in result["table"].items():
                for metric, value in row.items():
                    out.writerow([result["workload"], result["size"], result["workers"], result["date"], int(result["quick"]), name, metric, value])


def write(results):
    if not results:
        return
    os.makedirs(FOLDER, exist_ok=True)
    write_data(results)
    with open(DOCUMENT) as file:
        by_hand = file.read().partition(MARK)[0]
    machines = dict.fromkeys(f"{r['machine']}; {r['versions']}" for r in results.values())
    parts = ["## Targets", TARGETS_TEXT, target_table(results),
             *(f"![{name}](performance/{name})" for name in plots(results)),
             "The data: [results.csv](performance/results.csv). Machine and versions:", "\n".join(f"- {m}" for m in machines),
             "## Tables", *(section(result) for result in results.values())]
    with open(DOCUMENT, "w") as file:
        file.write(by_hand + MARK + "\n" + "\n\n".join(parts) + "\n")
