// What the stages of Responder::answer_batch() cost (doc/answering.md): each line runs one stage more than the line
// before it (0: read_all alone, 6: all of them), for batches of 32; the difference of two lines is a stage. In
// zones that stay in the cache and in those of over 1 GiB, for answers, referrals and NSEC3 name errors.
//
//   scripts/build release stages_bench && build/release/bin/stages_bench
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>

#include "bench_zones.h"

namespace understudy {

enum class Stage : std::uint8_t {
  read_all,
  find_zones,
  ask_for_nodes,
  look_up_all,
  ask_for_targets,
  finish_proofs,
  write_all
};

/// Runs the first stages of a Responder.
class StageRunner {
 public:
  static void run(Responder& responder, std::span<Datagram> batch, Stage last) {
    const std::span works(responder.work_.data(), batch.size());
    responder.now_.reset();
    responder.read_all(batch, works);
    if (last >= Stage::find_zones) responder.find_zones(works);
    if (last >= Stage::ask_for_nodes) responder.ask_for_nodes(works);
    if (last >= Stage::look_up_all) responder.look_up_all(works);
    if (last >= Stage::ask_for_targets) responder.ask_for_targets(works);
    if (last >= Stage::finish_proofs) responder.finish_proofs(works);
    if (last >= Stage::write_all) responder.write_all(batch, works);
  }
};

}  // namespace understudy

namespace {

using namespace understudy;
using namespace understudy::bench;

enum class Kind : std::uint8_t { answers, referrals, nsec3 };

constexpr unsigned most_questions = 1U << 18;  // some 12 MiB of them, asked in turn
constexpr std::int64_t hot = 1'000;
// So many names take over 1 GiB.
constexpr std::int64_t cold_hosts = 12'000'000, cold_delegations = 9'000'000, cold_signed = 3'500'000;

std::shared_ptr<const Zone> make(Kind kind, std::uint32_t names) {
  if (kind == Kind::nsec3) return signed_zone(RRType::NSEC3, names);
  ZoneBuilder builder = begin_zone();
  for (std::uint32_t i = 0; i < names; ++i) {
    if (kind == Kind::answers) add_host(builder, i);
    if (kind == Kind::referrals) add_delegation(builder, i);
  }
  return builder.finish().value();
}

/// The zone of the benchmarks that run one after the other; the one before it is let go.
struct Setting {
  Kind kind = Kind::answers;
  std::uint32_t names = 0;
  std::shared_ptr<const Zone> zone;
  std::unique_ptr<Environment> environment;
};

Setting& setting(Kind kind, std::uint32_t names) {
  static Setting made;
  if (made.zone == nullptr || made.kind != kind || made.names != names) {
    made = {};
    made = {kind, names, make(kind, names), nullptr};
    made.environment = std::make_unique<Environment>(std::vector{made.zone});
  }
  return made;
}

Bytes question(Kind kind, std::uint32_t i) {
  switch (kind) {
    case Kind::answers:
      return query(host(i), RRType::A);
    case Kind::referrals:
      return query(delegation(i), RRType::A);
    case Kind::nsec3:
      break;
  }
  return query(name("missing" + std::to_string(i) + ".bench."), RRType::A, AskEdns::dnssec_ok);
}

void stages(benchmark::State& state, Kind kind) {
  const auto names = static_cast<std::uint32_t>(state.range(0));
  const auto last = static_cast<Stage>(state.range(1));
  Setting& at = setting(kind, names);
  std::mt19937 random(5);
  std::vector<Bytes> queries;
  for (unsigned i = 0; i < std::min(most_questions, names); ++i) queries.push_back(question(kind, random() % names));
  Batches batches(std::move(queries));
  AnswerCounters counters;
  Responder responder(*at.environment, counters);
  for (auto _ : state) {
    StageRunner::run(responder, batches.next(), last);
    benchmark::ClobberMemory();
  }
  if (counters.slow != 0) state.SkipWithError("a query left the fast path");
  state.counters["MiB"] = static_cast<double>(at.zone->memory_size()) / (1 << 20);
  state.counters["ns/query"] = benchmark::Counter(static_cast<double>(state.iterations() * Batches::width) / 1e9,
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void all_stages(benchmark::internal::Benchmark* made, std::int64_t cold) {
  made->ArgNames({"names", "stages"});
  for (const std::int64_t names : {hot, cold}) {
    for (std::int64_t stage = 0; stage <= static_cast<std::int64_t>(Stage::write_all); ++stage) {
      made->Args({names, stage});
    }
  }
}
BENCHMARK_CAPTURE(stages, answers, Kind::answers)->Apply([](auto* made) { all_stages(made, cold_hosts); });
BENCHMARK_CAPTURE(stages, referrals, Kind::referrals)->Apply([](auto* made) { all_stages(made, cold_delegations); });
BENCHMARK_CAPTURE(stages, nsec3, Kind::nsec3)->Apply([](auto* made) { all_stages(made, cold_signed); });

}  // namespace

BENCHMARK_MAIN();
