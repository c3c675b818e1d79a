"""The layers of src/: who includes whom, against cmake/layers.txt, the one list of who may.

Also: the list has no cycle, CMake links what the list allows, protocol code does no I/O, and no file grows too long.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
LAYERS_TXT = ROOT / "cmake" / "layers.txt"
MAX_LINES = 700

# A library that belongs to some layers only: the start of its headers' names, the layers that may include them.
OWNED_HEADERS = {
    "rocksdb/": {"store"},
    "bpf/": {"net"},
    "xdp/": {"net"},
    "yaml.h": {"config"},
    "boost/asio": {"net", "transfer", "control", "server", "app"},
    "boost/beast": {"net", "control", "server"},
    "CLI/": {"app"},
    "nlohmann/": {"control", "config", "server", "app"},
    "sys/socket.h": {"base", "net", "transfer", "control", "server", "app"},
    "sys/epoll.h": {"net", "server"},
    "spdlog/": {"base"},
}
# Bytes in, bytes or events out: no clock either, so that every test can name the time.
CLOCKLESS = {"dns", "zone", "xfr", "answer"}
CLOCK_CALL = re.compile(r"(system|steady|high_resolution)_clock::now|\bclock_gettime\(|\bgettimeofday\(|\bstd::time\(")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def read_layers(path=LAYERS_TXT):
    allowed = {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            layer, uses = line.split(":")
            allowed[layer.strip()] = set(uses.split())
    return allowed


def sources(*folders):
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in (".h", ".cc")]


def include_mistakes(src, allowed):
    """One line of text for every include that the list does not allow."""
    mistakes = []
    for path in sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cc")):
        where = path.relative_to(src)
        layer = where.parts[0]
        if len(where.parts) != 2 or layer not in allowed:
            mistakes.append(f"{where}: lies in no layer of the list")
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if found:
                problem = include_problem(src, layer, *found.groups(), allowed)
                if problem:
                    mistakes.append(f"{where}:{number}: {problem}")
    return mistakes


def include_problem(src, layer, quote, header, allowed):
    first = header.split("/")[0]
    if quote == '"':
        if "/" not in header or first not in allowed:
            return f'"{header}" must be written as "layer/file.h"'
        if not (src / header).is_file():
            return f'"{header}" does not exist'
        if first != layer and first not in allowed[layer]:
            return f'{layer} may not include "{header}" ({layer} may use: {" ".join(sorted(allowed[layer])) or "nothing"})'
    elif (src / header).is_file():
        return f'<{header}> is ours and must be written as "{header}"'
    else:
        for prefix, owners in OWNED_HEADERS.items():
            if header.startswith(prefix) and layer not in owners:
                return f"<{header}> belongs to {' '.join(sorted(owners))}, not to {layer}"
    return None


def find_cycle(graph):
    """The first cycle found, as a list of layers, or None."""
    done, path = set(), []

    def visit(layer):
        if layer in path:
            return path[path.index(layer) :] + [layer]
        if layer in done:
            return None
        path.append(layer)
        for used in sorted(graph.get(layer, ())):
            cycle = visit(used)
            if cycle:
                return cycle
        path.pop()
        done.add(layer)
        return None

    return next((cycle for cycle in map(visit, sorted(graph)) if cycle), None)


def reachable(graph, layer):
    found, waiting = set(), list(graph.get(layer, ()))
    while waiting:
        used = waiting.pop()
        if used not in found:
            found.add(used)
            waiting += graph.get(used, ())
    return found


def cmake_graph():
    """What src/CMakeLists.txt links: layer -> layers, and the layers of the programs in app/."""
    text = re.sub(r"#.*", "", (SRC / "CMakeLists.txt").read_text())
    graph = {}
    for name, rest in re.findall(r"understudy_layer\(\s*(\w+)([^)]*)\)", text):
        found = re.search(r"\bDEPS\b([^)]*?)(?:\bLIBS\b|$)", rest, re.DOTALL)
        graph[name] = set(found.group(1).split()) if found else set()
    programs = set(re.findall(r"add_executable\(\s*(\w+)", text))
    linked = set()
    for program, rest in re.findall(r"target_link_libraries\(\s*(\w+)\s+(?:PRIVATE|PUBLIC)([^)]*)\)", text):
        if program in programs:
            linked |= {word for word in rest.split() if word in graph}
    return graph, linked


def test_every_include_is_allowed():
    mistakes = include_mistakes(SRC, read_layers())
    assert not mistakes, "\n" + "\n".join(mistakes)


def test_the_list_names_every_folder_and_no_other():
    folders = {p.name for p in SRC.iterdir() if p.is_dir() and any(p.iterdir())}
    assert folders <= set(read_layers())
    for layer, uses in read_layers().items():
        assert uses <= set(read_layers()), f"{layer} uses a layer that is not listed"


def test_the_layers_have_no_cycle():
    assert find_cycle(read_layers()) is None


def test_cmake_links_what_the_list_allows():
    allowed = read_layers()
    graph, linked_by_programs = cmake_graph()
    assert find_cycle(graph) is None
    assert set(graph) == set(allowed) - {"app"}
    for layer in graph:
        assert reachable(graph, layer) == allowed[layer], f"{layer}: src/CMakeLists.txt and cmake/layers.txt differ"
    reached = linked_by_programs | {used for layer in linked_by_programs for used in reachable(graph, layer)}
    assert allowed["app"] <= reached


@pytest.mark.parametrize("layer", sorted(CLOCKLESS))
def test_protocol_code_asks_no_clock(layer):
    asking = [str(p.relative_to(ROOT)) for p in sources(f"src/{layer}") if CLOCK_CALL.search(p.read_text())]
    assert asking == []


def test_no_file_is_too_long():
    files = sources("src", "tests", "fuzz", "bench")
    files += [p for folder in ("scripts", "tests") for p in (ROOT / folder).rglob("*.py")]
    lengths = {str(p.relative_to(ROOT)): len(p.read_text().splitlines()) for p in files}
    assert lengths
    assert {path: lines for path, lines in lengths.items() if lines > MAX_LINES} == {}


# The checks above are only worth something if they find mistakes: a small tree that has one of each.


@pytest.mark.parametrize(
    "line, problem",
    [
        ('#include "zone/zone.h"', "dns may not include"),
        ('#include "name.h"', 'must be written as "layer/file.h"'),
        ('#include "dns/missing.h"', "does not exist"),
        ("#include <base/result.h>", "is ours"),
        ("#  include <boost/asio.hpp>", "belongs to"),
        ("#include <rocksdb/db.h>", "belongs to store"),
    ],
)
def test_a_forbidden_include_is_found(tmp_path, line, problem):
    for file in ("base/result.h", "dns/name.h", "zone/zone.h"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("#pragma once\n")
    (tmp_path / "dns" / "name.cc").write_text(f'#include "dns/name.h"\n\n#include "base/result.h"\n{line}\n')
    mistakes = include_mistakes(tmp_path, {"base": set(), "dns": {"base"}, "zone": {"dns", "base"}})
    assert len(mistakes) == 1
    assert mistakes[0].startswith("dns/name.cc:4: ") and problem in mistakes[0]


def test_a_file_outside_the_layers_is_found(tmp_path):
    (tmp_path / "stray.h").write_text("")
    (tmp_path / "base" / "deep").mkdir(parents=True)
    (tmp_path / "base" / "deep" / "x.h").write_text("")
    assert len(include_mistakes(tmp_path, {"base": set()})) == 2


def test_a_cycle_is_found():
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert find_cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) is None
