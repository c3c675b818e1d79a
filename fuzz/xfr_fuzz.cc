// layers: xfr
// Transfers: a stream of messages, each behind its length in two octets as on TCP, becomes a zone, differences, an
// error, or nothing yet. A zone that comes out is sent again by AxfrWriter and must read back with the same number of
// records; differences are sent again by IxfrWriter and must read back as they are. The first octet of an input: bit 0
// asks for a probed serial, bit 1 reads the answer to an IXFR with serial 7, bit 2 that by UDP, bit 3 asks with EDNS.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "xfr/axfr_reader.h"
#include "xfr/axfr_writer.h"
#include "xfr/ixfr_reader.h"
#include "xfr/ixfr_writer.h"
#include "xfr/soa_query.h"
#include "zone/builder.h"

using understudy::AxfrReader;
using understudy::ByteReader;
using understudy::Bytes;
using understudy::ByteView;
using understudy::IxfrReader;
using understudy::Name;
using understudy::ResponseSource;
using understudy::RRType;
using understudy::Serial;
using understudy::TransferReader;
using understudy::Zone;
using understudy::ZoneBuilder;

namespace {

constexpr std::uint16_t id = 0x1234;
constexpr std::uint64_t now = 1'700'000'000;
constexpr understudy::TransferLimits limits{.max_records = 100'000, .max_octets = 1 << 22};

void require(bool condition) {
  if (!condition) std::abort();
}

const Name& apex() {
  static const Name name = Name::parse("example.").value();
  return name;
}

class BuilderSink final : public understudy::ZoneUpdateSink {
 public:
  understudy::Result<Taken> add(understudy::NameView owner, understudy::RRType type, std::uint32_t ttl,
                                ByteView rdata) override {
    require(!understudy::is_meta_type(type));
    require(ttl <= 0x7fff'ffffU);
    US_ASSIGN(const understudy::AddOutcome outcome, builder.add(owner, type, ttl, rdata));
    switch (outcome) {
      case understudy::AddOutcome::added:
        return Taken::added;
      case understudy::AddOutcome::duplicate:
        return Taken::duplicate;
      case understudy::AddOutcome::out_of_zone:
        return Taken::out_of_zone;
    }
    std::abort();
  }
  ZoneBuilder builder{apex()};
};

understudy::TransferReply reply(RRType type) {
  return {.request = {.id = id},
          .question = {apex(), type, understudy::RRClass::IN},
          .edns = understudy::TransferReply::Edns{.udp_size = 1232, .options = {}},
          .tsig = {}};
}

void send_and_read_back(const std::shared_ptr<const Zone>& zone) {
  const understudy::ManualClock clock;
  understudy::AxfrWriter writer(zone, reply(RRType::AXFR), clock);
  BuilderSink sink;
  AxfrReader reader(apex(), id, limits, zone->serial(), std::nullopt, sink);
  Bytes message;
  while (true) {
    const auto step = writer.next(message);
    if (step == ResponseSource::Step::failed) return;  // a record that only fitted with compression
    require(step == ResponseSource::Step::message);
    const auto progress = reader.feed(message, now);
    require(progress.has_value());
    if (*progress == AxfrReader::Progress::done) break;
  }
  require(writer.next(message) == ResponseSource::Step::done);
  require(reader.counts().records == zone->record_count() + 1);
  const auto again = sink.builder.finish();
  require(again && (*again)->record_count() == zone->record_count());
}

void send_and_read_back(const understudy::Differences& differences) {
  const understudy::ManualClock clock;
  understudy::IxfrWriter writer(differences, reply(RRType::IXFR), clock);
  BuilderSink sink;
  IxfrReader reader({.zone = apex(), .id = id, .type = RRType::IXFR}, differences.front()->from(), {}, sink);
  Bytes message;
  while (true) {
    const auto step = writer.next(message);
    if (step == ResponseSource::Step::failed) return;
    require(step == ResponseSource::Step::message);
    const auto progress = reader.feed(message, now);
    require(progress.has_value());
    if (*progress == IxfrReader::Progress::done) break;
  }
  require(writer.next(message) == ResponseSource::Step::done);
  const auto again = reader.take_deltas();
  require(std::ranges::equal(differences, again,
                             [](const auto& a, const auto& b) { return std::ranges::equal(a->wire(), b->wire()); }));
}

void check_answer(IxfrReader& reader, BuilderSink& sink, Serial ours) {
  switch (reader.answer()) {
    case IxfrReader::Answer::undecided:
    case IxfrReader::Answer::single_soa:
      std::abort();
    case IxfrReader::Answer::current:
      require(!reader.serial().is_newer_than(ours));
      return;
    case IxfrReader::Answer::ask_over_tcp:
      return;
    case IxfrReader::Answer::whole:
      if (const auto zone = sink.builder.finish()) send_and_read_back(*zone);
      return;
    case IxfrReader::Answer::differences: {
      const understudy::Differences differences = reader.take_deltas();
      require(!differences.empty() && differences.front()->from() == ours);
      require(differences.back()->to() == reader.serial() && reader.serial().is_newer_than(ours));
      for (std::size_t i = 0; i < differences.size(); ++i) {
        require(differences[i]->to().is_newer_than(differences[i]->from()));
        require(i == 0 || differences[i]->from() == differences[i - 1]->to());
        // What is kept can be read again.
        require(understudy::ZoneDelta::from_wire(apex(), differences[i]->wire()).has_value());
      }
      return send_and_read_back(differences);
    }
  }
}

/// Feeds what is left of the input; true if the transfer came to its end.
bool feed_all(ByteReader& input, TransferReader& reader) {
  while (!input.at_end()) {
    const ByteView message = input.bytes(input.u16());
    if (!input.ok()) break;
    (void)understudy::read_soa_answer(message, apex(), id, understudy::Via::datagram, nullptr, now);
    (void)understudy::read_notify_answer(message, apex(), id, understudy::Via::stream, nullptr, now);
    const auto progress = reader.feed(message, now);
    if (!progress) {
      require(!progress.error().text().empty());
      return false;
    }
    if (*progress == TransferReader::Progress::done) return true;
  }
  require(!reader.closed_early().text().empty());
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input(ByteView(data, size));
  const unsigned flags = input.u8();
  const Serial ours{7};
  understudy::TransferRequest request{.zone = apex(), .id = id};
  if ((flags & 1) != 0) request.probed = ours;
  if ((flags & 8) != 0) request.edns = understudy::WithEdns::expire;
  BuilderSink sink;
  if ((flags & 2) == 0) {
    AxfrReader reader(std::move(request), limits, sink);
    if (!feed_all(input, reader)) return 0;
    if (const auto zone = sink.builder.finish()) send_and_read_back(*zone);
  } else {
    request.type = RRType::IXFR;
    if ((flags & 4) != 0) request.via = understudy::Via::datagram;
    IxfrReader reader(std::move(request), ours, limits, sink);
    if (feed_all(input, reader)) check_answer(reader, sink, ours);
  }
  return 0;
}
