// What the stages of Responder::answer_batch() cost (doc/answering.md): each line does what the one before it does and
// one stage more, for batches of 32 in a zone that stays in the cache (1,000 hosts) and in one of over 1 GiB (12 M
// hosts). The last line is answer_batch() itself, which counts and looks for proofs too.
//
//   scripts/build release stages_bench && build/release/bin/stages_bench
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <random>

#include "answer/fast_answer.h"
#include "bench_zones.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

constexpr std::uint32_t hot = 1'000, cold = 12'000'000;
constexpr unsigned questions = 1U << 18;

enum class Stage : std::uint8_t { read, zone, bucket, node, write, whole };

struct Setting {
  std::shared_ptr<const Zone> zone;
  std::unique_ptr<Environment> environment;
};

Setting& setting(std::uint32_t hosts) {
  static std::map<std::uint32_t, Setting> settings;
  Setting& found = settings[hosts];
  if (!found.zone) {
    ZoneBuilder builder = begin_zone();
    for (std::uint32_t i = 0; i < hosts; ++i) add_host(builder, i);
    found.zone = builder.finish().value();
    found.environment = std::make_unique<Environment>(std::vector{found.zone});
  }
  return found;
}

struct Work {
  PlainQuery query;
  const Zone* zone;
  Lookup found;
};

void stage_by_stage(const Environment& environment, std::span<Datagram> batch, Stage last, std::vector<Work>& works) {
  const ZoneTable& table = *environment.table();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    (void)read_plain_query({batch[i].query, batch[i].query_size}, works[i].query);
    table.prefetch(works[i].query.name);
  }
  if (last == Stage::read) return;
  for (Work& work : works) {
    std::size_t label = 0;
    work.zone = table.find_closest(work.query.name, &label)->zone();
    work.zone->prefetch(work.query.name.hashes[0]);
  }
  if (last == Stage::zone) return;
  for (const Work& work : works) work.zone->prefetch_node(work.query.name.hashes[0]);
  if (last == Stage::bucket) return;
  for (Work& work : works) work.found = look_up(*work.zone, work.query.name, work.query.type);
  if (last == Stage::node) return;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    bool truncated = false;
    batch[i].response_size = static_cast<std::uint32_t>(
        fast_answer(table, *works[i].zone, works[i].found, {}, {}, {batch[i].query, batch[i].query_size},
                    works[i].query, batch[i].response, 512, *environment.settings(), {}, truncated));
  }
}

void until(benchmark::State& state, Stage last) {
  const auto hosts = static_cast<std::uint32_t>(state.range(0));
  Setting& at = setting(hosts);
  std::mt19937 random(5);
  std::vector<Bytes> queries;
  for (unsigned i = 0; i < std::min(questions, hosts); ++i) queries.push_back(query(host(random() % hosts), RRType::A));
  Batches batches(std::move(queries));
  AnswerCounters counters;
  Responder responder(*at.environment, counters);
  std::vector<Work> works(Batches::width);
  for (auto _ : state) {
    const std::span<Datagram> batch = batches.next();
    if (last == Stage::whole) {
      responder.answer_batch(batch);
    } else {
      stage_by_stage(*at.environment, batch, last, works);
    }
    benchmark::DoNotOptimize(works.data());
    benchmark::ClobberMemory();
  }
  state.counters["MiB"] = static_cast<double>(at.zone->memory_size()) / (1 << 20);
  state.counters["ns/query"] = benchmark::Counter(static_cast<double>(state.iterations() * Batches::width) / 1e9,
                                                  benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(until, 1_read_and_hash, Stage::read)->Arg(hot)->Arg(cold);
BENCHMARK_CAPTURE(until, 2_find_zone, Stage::zone)->Arg(hot)->Arg(cold);
BENCHMARK_CAPTURE(until, 3_read_bucket, Stage::bucket)->Arg(hot)->Arg(cold);
BENCHMARK_CAPTURE(until, 4_look_up, Stage::node)->Arg(hot)->Arg(cold);
BENCHMARK_CAPTURE(until, 5_write, Stage::write)->Arg(hot)->Arg(cold);
BENCHMARK_CAPTURE(until, answer_batch, Stage::whole)->Arg(hot)->Arg(cold);

}  // namespace

BENCHMARK_MAIN();
