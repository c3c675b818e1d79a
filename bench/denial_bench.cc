// What a denial costs in the answering code alone: name errors with DO in a signed zone of a million names, too large
// for the cache.
//
//   scripts/build release denial_bench && build/release/bin/denial_bench
#include <benchmark/benchmark.h>

#include <random>

#include "bench_zones.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

constexpr std::uint32_t names = 1'000'000;
constexpr unsigned questions = 1U << 16;

void name_errors(benchmark::State& state, RRType chain) {
  Environment environment({signed_zone(chain, names)});
  AnswerCounters counters;
  Responder responder(environment, counters);
  std::mt19937 random(2);
  std::vector<Bytes> queries;
  for (unsigned i = 0; i < questions; ++i) {
    const std::string label = "host" + std::to_string(random() % names) + "-nx.bench.";
    queries.push_back(query(name(label), RRType::A, AskEdns::dnssec_ok));
  }
  Batches batches(std::move(queries));
  std::span<Datagram> batch;
  for (auto _ : state) {
    batch = batches.next();
    responder.answer_batch(batch);
  }
  if (counters.slow != 0) state.SkipWithError("left the fast path");
  state.counters["octets"] = static_cast<double>(batch[0].response_size);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * Batches::width));
}
BENCHMARK_CAPTURE(name_errors, nsec, RRType::NSEC);
BENCHMARK_CAPTURE(name_errors, nsec3, RRType::NSEC3);

}  // namespace

BENCHMARK_MAIN();
