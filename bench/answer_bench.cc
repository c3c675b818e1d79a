// What one query costs in the answering code alone, by its EDNS options: without sockets, in a small zone that stays in
// the cache, so that what options add shows.
//
//   scripts/build release answer_bench && build/release/bin/answer_bench
#include <benchmark/benchmark.h>

#include "bench_zones.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

void ask(benchmark::State& state, AskEdns edns, const Bytes& options) {
  ZoneBuilder builder = begin_zone();
  for (std::uint32_t i = 0; i < 1000; ++i) add_host(builder, i);
  Environment environment({builder.finish().value()});
  AnswerCounters counters;
  Responder responder(environment, counters);
  std::vector<Bytes> queries;
  for (std::uint32_t i = 0; i < 32; ++i) queries.push_back(query(host(i * 31), RRType::A, edns, options));
  Batches batches(std::move(queries));
  const std::span<Datagram> batch = batches.next();
  for (auto _ : state) responder.answer_batch(batch);
  if (counters.slow != 0) state.SkipWithError("left the fast path");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * Batches::width));
}

Bytes cookie_option(bool with_server_cookie) {
  Bytes content(8, 0x5a);
  if (with_server_cookie) {
    const std::uint8_t address[] = {192, 0, 2, 99};
    Bytes whole(whole_cookie_size);
    CookieSecrets(std::vector{SipKey{1, 2}})
        .answer(content, address, static_cast<std::uint32_t>(SystemClock().wall_seconds()), whole.data());
    content = whole;
  }
  Bytes option;
  append_edns_option(option, edns_cookie, content);
  return option;
}

void without_edns(benchmark::State& state) {
  ask(state, AskEdns::no, {});
}
void with_edns(benchmark::State& state) {
  ask(state, AskEdns::yes, {});
}
void client_cookie(benchmark::State& state) {
  ask(state, AskEdns::yes, cookie_option(false));
}
void good_cookie(benchmark::State& state) {
  ask(state, AskEdns::yes, cookie_option(true));
}
BENCHMARK(without_edns);
BENCHMARK(with_edns);
BENCHMARK(client_cookie);
BENCHMARK(good_cookie);

}  // namespace

BENCHMARK_MAIN();
