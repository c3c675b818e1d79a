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

enum class Kind : std::uint8_t { hosts, delegations, nsec3 };

std::shared_ptr<const Zone> zone_of(Kind kind) {
  static std::shared_ptr<const Zone> made[3];
  auto& zone = made[static_cast<std::size_t>(kind)];
  if (!zone && kind == Kind::nsec3) zone = signed_zone(RRType::NSEC3, names);
  if (!zone) {
    ZoneBuilder builder = begin_zone();
    for (std::uint32_t i = 0; i < names; ++i) kind == Kind::hosts ? add_host(builder, i) : add_delegation(builder, i);
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

void encode_axfr(benchmark::State& state, Kind kind) {
  const SystemClock clock;
  const auto zone = zone_of(kind);
  std::uint64_t octets = 0;
  for (auto _ : state) {
    octets = 0;
    write_axfr(zone, clock, [&](const Bytes& message) { octets += message.size(); });
  }
  rates(state, *zone, octets);
}

void load(benchmark::State& state, Kind kind) {
  std::string folder = (std::filesystem::temp_directory_path() / "understudy-bench-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return state.SkipWithError("no folder for the database");
  const auto zone = zone_of(kind);
  {
    const auto store = ZoneStore::open(folder).value();
    if (!store->commit(*zone, {}, "bench")) state.SkipWithError("the zone cannot be stored");
    for (auto _ : state) benchmark::DoNotOptimize(store->load(apex()).value());
  }
  std::filesystem::remove_all(folder);
  rates(state, *zone, 0);
}

void read_axfr(benchmark::State& state, Kind kind) {
  const SystemClock clock;
  const auto zone = zone_of(kind);
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

BENCHMARK_CAPTURE(encode_axfr, hosts, Kind::hosts)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_axfr, delegations, Kind::delegations)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encode_axfr, nsec3, Kind::nsec3)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_axfr, hosts, Kind::hosts)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_axfr, delegations, Kind::delegations)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(read_axfr, nsec3, Kind::nsec3)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, hosts, Kind::hosts)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, delegations, Kind::delegations)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(load, nsec3, Kind::nsec3)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
