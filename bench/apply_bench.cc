// What a change costs in a large zone: one-record and larger differences, finding a difference, building anew. The
// zones are those of bench/zones.py: a million hosts with A and AAAA, a million delegations.
//
//   scripts/build release apply_bench && build/release/bin/apply_bench
#include <benchmark/benchmark.h>

#include <map>
#include <string>

#include "bench_zones.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

constexpr std::uint32_t names_in_zone = 1'000'000;

enum class Kind { hosts, delegations };

Name owner(Kind kind, std::uint32_t i) {
  return kind == Kind::hosts ? host(i) : delegation(i);
}

std::shared_ptr<const Zone> build(Kind kind) {
  ZoneBuilder builder = begin_zone();
  for (std::uint32_t i = 0; i < names_in_zone; ++i) {
    kind == Kind::hosts ? add_host(builder, i) : add_delegation(builder, i);
  }
  return builder.finish().value();
}

// The version that stays from one benchmark to the next.
std::shared_ptr<const Zone>& current(Kind kind) {
  static std::map<Kind, std::shared_ptr<const Zone>> zones;
  auto& zone = zones[kind];
  if (!zone) zone = build(kind);
  return zone;
}

ZoneDeltaBuilder begin(const Zone& base) {
  ZoneDeltaBuilder out(apex());
  out.remove(apex(), RRType::SOA, ttl, soa_rdata(base.serial().value));
  out.add(apex(), RRType::SOA, ttl, soa_rdata(base.serial().value + 1));
  return out;
}

// A TXT record more or less at each of `count` names; every second call takes back what the one before did.
DeltaPtr toggle(const Zone& base, Kind kind, std::uint32_t count, std::uint32_t round) {
  ZoneDeltaBuilder out = begin(base);
  const Bytes text = {3, 'n', 'e', 'w'};
  for (std::uint32_t i = 0; i < count; ++i) {
    const Name at = owner(kind, (round / 2 * count + i) * 7919U % names_in_zone);
    round % 2 == 0 ? out.add(at, RRType::TXT, ttl, text) : out.remove(at, RRType::TXT, ttl, text);
  }
  return out.finish().value();
}

void build_zone(benchmark::State& state, Kind kind) {
  for (auto _ : state) {
    const auto zone = build(kind);
    state.counters["MiB"] = static_cast<double>(zone->memory_size()) / (1 << 20);
  }
}

void apply_to(benchmark::State& state, Kind kind) {
  auto& zone = current(kind);
  std::uint32_t round = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const DeltaPtr delta = toggle(*zone, kind, static_cast<std::uint32_t>(state.range(0)), round++);
    state.ResumeTiming();
    zone = apply_deltas(zone, {&delta, 1}).value();
  }
  if (round % 2 != 0) {
    const DeltaPtr delta = toggle(*zone, kind, static_cast<std::uint32_t>(state.range(0)), round);
    zone = apply_deltas(zone, {&delta, 1}).value();
  }
  state.counters["MiB"] = static_cast<double>(zone->memory_size()) / (1 << 20);
}

void add_and_remove_name(benchmark::State& state, Kind kind) {
  auto& zone = current(kind);
  const Name at = name("fresh.a.b.bench.");
  for (auto _ : state) {
    for (const bool add : {true, false}) {
      ZoneDeltaBuilder out = begin(*zone);
      add ? out.add(at, RRType::A, ttl, Bytes(4, 1)) : out.remove(at, RRType::A, ttl, Bytes(4, 1));
      const DeltaPtr delta = out.finish().value();
      zone = apply_deltas(zone, {&delta, 1}).value();
    }
  }
}

void difference_of(benchmark::State& state, Kind kind, bool related) {
  const auto& zone = current(kind);
  const auto other = related ? nullptr : build(kind);
  const DeltaPtr delta = toggle(*zone, kind, 1, 0);
  const auto next = apply_deltas(zone, {&delta, 1}).value();
  for (auto _ : state) benchmark::DoNotOptimize(difference(related ? zone : other, next).value());
}

BENCHMARK_CAPTURE(build_zone, hosts, Kind::hosts)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(build_zone, delegations, Kind::delegations)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(apply_to, hosts, Kind::hosts)->Arg(1)->Arg(100)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(apply_to, delegations, Kind::delegations)
    ->Arg(1)
    ->Arg(100)
    ->Arg(10'000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(add_and_remove_name, hosts, Kind::hosts)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(difference_of, hosts_related, Kind::hosts, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(difference_of, hosts_unrelated, Kind::hosts, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(difference_of, delegations_unrelated, Kind::delegations, false)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
