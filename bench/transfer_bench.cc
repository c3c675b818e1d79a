// What it costs to write a zone of a million names as AXFR, to read it and build the zone from it, and to load it from
// disk, without sockets.
//
//   scripts/build release transfer_bench && build/release/bin/transfer_bench
#include <benchmark/benchmark.h>

#include <filesystem>

#include "bench_zones.h"
#include "store/zone_store.h"
#include "xfr/axfr_reader.h"
#include "xfr/axfr_writer.h"

namespace {

using namespace understudy;
using namespace understudy::bench;

constexpr std::uint32_t names = 1'000'000;

std::shared_ptr<const Zone> zone_of(bool hosts) {
  static std::shared_ptr<const Zone> made[2];
  auto& zone = made[hosts ? 1 : 0];
  if (!zone) {
    ZoneBuilder builder = begin_zone();
    for (std::uint32_t i = 0; i < names; ++i) hosts ? add_host(builder, i) : add_delegation(builder, i);
    zone = builder.finish().value();
  }
  return zone;
}

TransferReply reply() {
  TransferReply made;
  made.question = {apex(), RRType::AXFR, RRClass::IN};
  return made;
}

class BuilderSink final : public ZoneUpdateSink {
 public:
  Result<Taken> add(NameView owner, RRType type, std::uint32_t of, ByteView rdata) override {
    US_TRY(builder.add(owner, type, of, rdata));
    return Taken::added;
  }
  ZoneBuilder builder{apex()};
};

// Calls `each` with every message of the AXFR of `zone`.
template <typename Each>
void write_axfr(const std::shared_ptr<const Zone>& zone, const Clock& clock, Each each) {
  AxfrWriter writer(zone, reply(), clock);
  for (Bytes message; writer.next(message) == ResponseSource::Step::message;) each(message);
}

void rates(benchmark::State& state, const Zone& zone, std::uint64_t octets) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(zone.record_count()));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(octets));
}

void encode_axfr(benchmark::State& state, bool hosts) {
  const SystemClock clock;
  const auto zone = zone_of(hosts);
  std::uint64_t octets = 0;
  for (auto _ : state) {
    octets = 0;
    write_axfr(zone, clock, [&](const Bytes& message) { octets += message.size(); });
  }
  rates(state, *zone, octets);
}

void load(benchmark::State& state, bool hosts) {
  std::string folder = (std::filesystem::temp_directory_path() / "understudy-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no folder for the database");
  const auto zone = zone_of(hosts);
  {
    const auto store = ZoneStore::open(folder).value();
    if (!store->commit(*zone, {}, "bench")) state.SkipWithError("the zone cannot be stored");
    for (auto _ : state) benchmark::DoNotOptimize(store->load(apex()).value());
  }
  std::filesystem::remove_all(folder);
  rates(state, *zone, 0);
}

void read_axfr(benchmark::State& state, bool hosts) {
  const SystemClock clock;
  const auto zone = zone_of(hosts);
  std::vector<Bytes> messages;
  std::uint64_t octets = 0;
  write_axfr(zone, clock, [&](const Bytes& message) {
    messages.push_back(message);
    octets += message.size();
  });
  for (auto _ : state) {
    BuilderSink sink;
    AxfrReader reader(apex(), 0, {}, std::nullopt, std::nullopt, sink);
    for (const Bytes& message : messages) {
      if (!reader.feed(message, 0)) return state.SkipWithError("the transfer is refused");
    }
    benchmark::DoNotOptimize(sink.builder.finish().value());
  }
  rates(state, *zone, octets);
}

BENCHMARK_CAPTURE(encode_axfr, hosts, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_axfr, delegations, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_axfr, hosts, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_axfr, delegations, false)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, hosts, true)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, delegations, false)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
