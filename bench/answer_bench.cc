// What one query costs in the answering code alone, by its EDNS options: without sockets, in a small zone that stays in
// the cache, so that what options add shows.
//
//   cmake --preset release -DUNDERSTUDY_BENCH=ON && scripts/build release answer_bench &&
//   build/release/bin/answer_bench
#include <benchmark/benchmark.h>
#include <netinet/in.h>

#include "answer/responder.h"
#include "base/clock.h"
#include "dns/edns.h"
#include "dns/message.h"
#include "zone/builder.h"
#include "zone/zone_table.h"

namespace {

using namespace understudy;

Name name(const std::string& text) {
  return Name::parse(text).value();
}

class Environment final : public AnswerEnvironment {
 public:
  Environment() {
    ZoneBuilder builder(name("bench."));
    Bytes soa;
    for (const char* text : {"ns.bench.", "admin.bench."}) append(soa, name(text).wire());
    for (const std::uint32_t field : {1U, 7200U, 3600U, 1209600U, 300U}) append_u32(soa, field);
    (void)builder.add(name("bench."), RRType::SOA, 3600, soa);
    (void)builder.add(name("bench."), RRType::NS, 3600, name("ns.bench.").wire());
    for (unsigned i = 0; i < 1000; ++i) {
      const std::uint8_t address[] = {192, 0, 2, 1};
      (void)builder.add(name("h" + std::to_string(i) + ".bench."), RRType::A, 3600, address);
    }
    auto slot = std::make_shared<ZoneSlot>(name("bench."), std::make_shared<const ZoneAccess>());
    slot->publish(builder.finish().value());
    slots_.push_back(std::move(slot));
    table_ = std::make_unique<ZoneTable>(slots_);
    settings_.keys = std::make_shared<const TsigKeyring>();
    settings_.edns.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey{1, 2}});
  }
  [[nodiscard]] const ZoneTable* table() const override { return table_.get(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView, const IpAddress&, std::optional<Serial>) override {}

 private:
  SystemClock clock_;
  AnswerSettings settings_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
};

Bytes query(unsigned host, bool edns, ByteView options) {
  Bytes out(512);
  MessageWriter writer(out, out.size());
  writer.set_header(1, 0);
  writer.add_question(name("h" + std::to_string(host) + ".bench."), RRType::A, RRClass::IN);
  if (edns) writer.add_opt(1232, Rcode::NOERROR, false, options);
  out.resize(writer.size());
  return out;
}

// Batches of 32, as UDP workers give them.
void ask(benchmark::State& state, bool edns, const Bytes& options) {
  static Environment environment;
  static AnswerCounters counters;
  static Responder responder(environment, counters);
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  peer.sin_addr.s_addr = htonl(0xc0000263);
  std::vector<Bytes> queries, responses(32, Bytes(4096));
  std::vector<Datagram> batch(32);
  for (unsigned i = 0; i < 32; ++i) {
    queries.push_back(query(i * 31, edns, options));
    batch[i].query = queries[i].data();
    batch[i].query_size = static_cast<std::uint32_t>(queries[i].size());
    batch[i].response = responses[i].data();
    batch[i].response_capacity = 4096;
    batch[i].peer = reinterpret_cast<const sockaddr*>(&peer);
  }
  for (auto _ : state) responder.answer_batch(batch);
  if (counters.slow != 0) state.SkipWithError("left the fast path");
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 32);
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
  ask(state, false, {});
}
void with_edns(benchmark::State& state) {
  ask(state, true, {});
}
void client_cookie(benchmark::State& state) {
  ask(state, true, cookie_option(false));
}
void good_cookie(benchmark::State& state) {
  ask(state, true, cookie_option(true));
}
BENCHMARK(without_edns);
BENCHMARK(with_edns);
BENCHMARK(client_cookie);
BENCHMARK(good_cookie);

}  // namespace

BENCHMARK_MAIN();
