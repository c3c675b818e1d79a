// What a denial costs in the answering code alone: name errors with DO in a signed zone of a million names, too large
// for the cache.
//
//   cmake --preset release -DUNDERSTUDY_BENCH=ON && scripts/build release denial_bench &&
//   build/release/bin/denial_bench
#include <benchmark/benchmark.h>

#include <random>

#include "answer/responder.h"
#include "base/clock.h"
#include "dns/message.h"
#include "dns/nsec3.h"
#include "zone/builder.h"
#include "zone/zone_table.h"

namespace {

using namespace understudy;

constexpr unsigned names = 1'000'000;
constexpr unsigned questions = 1U << 16;

Name name(const std::string& text) {
  return Name::parse(text).value();
}

class Environment final : public AnswerEnvironment {
 public:
  explicit Environment(RRType chain) : builder_(name("bench.")) {
    Bytes soa;
    for (const char* text : {"ns.bench.", "admin.bench."}) append(soa, name(text).wire());
    for (const std::uint32_t field : {1U, 7200U, 3600U, 1209600U, 300U}) append_u32(soa, field);
    add(name("bench."), RRType::SOA, soa);
    add(name("bench."), RRType::NS, name("ns.bench.").wire());
    if (chain == RRType::NSEC3) add(name("bench."), RRType::NSEC3PARAM, Bytes{1, 0, 0, 0, 0});
    add_denial(name("bench."), chain);
    for (unsigned i = 0; i < names; ++i) {
      const Name owner = name(std::to_string(random_() % 1'000'000'000) + "-" + std::to_string(i) + ".bench.");
      add(owner, RRType::A, Bytes{192, 0, 2, 1});
      add_denial(owner, chain);
    }
    auto slot = std::make_shared<ZoneSlot>(name("bench."), std::make_shared<const ZoneAccess>());
    slot->publish(builder_.finish().value());
    slots_.push_back(std::move(slot));
    table_ = std::make_unique<ZoneTable>(slots_);
    settings_.keys = std::make_shared<const TsigKeyring>();
  }
  [[nodiscard]] const ZoneTable* table() const override { return table_.get(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView, const IpAddress&, std::optional<Serial>) override {}

 private:
  // With a signature of the size of ECDSA's.
  void add(const Name& owner, RRType type, ByteView rdata) {
    (void)builder_.add(owner, type, 3600, rdata);
    Bytes signature;
    append_u16(signature, number(type));
    signature.resize(18, 1);
    append(signature, name("bench.").wire());
    signature.resize(signature.size() + 64, 7);
    (void)builder_.add(owner, RRType::RRSIG, 3600, signature);
  }
  // Whom the record names as the next does not matter for what is sent.
  void add_denial(const Name& owner, RRType chain) {
    if (chain == RRType::NSEC) {
      Bytes rdata(owner.wire().begin(), owner.wire().end());
      append(rdata, Bytes{0, 6, 0x40, 0, 0, 0, 0, 3});
      return add(owner, chain, rdata);
    }
    Bytes rdata{1, 0, 0, 0, 0, 20};
    const Nsec3Hash hash = nsec3_hash(owner, nsec3_params(rdata));
    append(rdata, hash);
    append(rdata, Bytes{0, 6, 0x40, 0, 0, 0, 0, 2});
    const Nsec3Label label = nsec3_label(hash);
    add(Name::prepend(ByteView(label), name("bench.")).value(), chain, rdata);
  }

  std::mt19937_64 random_{1};
  ZoneBuilder builder_;
  SystemClock clock_;
  AnswerSettings settings_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
};

void name_errors(benchmark::State& state, RRType chain) {
  Environment environment(chain);
  AnswerCounters counters;
  Responder responder(environment, counters);
  std::mt19937_64 random(2);
  std::vector<Bytes> queries;
  for (unsigned i = 0; i < questions; ++i) {
    Bytes out(512);
    MessageWriter writer(out, out.size());
    writer.set_header(1, 0);
    writer.add_question(name(std::to_string(random() % 1'000'000'000) + "-nx.bench."), RRType::A, RRClass::IN);
    writer.add_opt(1232, Rcode::NOERROR, true, {});
    out.resize(writer.size());
    queries.push_back(std::move(out));
  }
  std::vector<Bytes> responses(32, Bytes(4096));
  std::vector<Datagram> batch(32);
  unsigned next = 0;
  for (auto _ : state) {
    for (unsigned i = 0; i < 32; ++i) {
      const Bytes& query = queries[next++ % questions];
      batch[i].query = query.data();
      batch[i].query_size = static_cast<std::uint32_t>(query.size());
      batch[i].response = responses[i].data();
      batch[i].response_capacity = 4096;
    }
    responder.answer_batch(batch);
  }
  if (counters.slow != 0) state.SkipWithError("left the fast path");
  state.counters["octets"] = static_cast<double>(batch[0].response_size);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 32);
}
BENCHMARK_CAPTURE(name_errors, nsec, RRType::NSEC);
BENCHMARK_CAPTURE(name_errors, nsec3, RRType::NSEC3);

}  // namespace

BENCHMARK_MAIN();
