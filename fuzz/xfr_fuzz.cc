// layers: xfr
// Transfers: a stream of messages, each behind its length in two octets as on TCP, becomes a zone, an error, or nothing
// yet. A zone that comes out is sent again by AxfrWriter and must read back with the same number of records. The first
// octet of an input: bit 0 asks for a probed serial.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "xfr/axfr_reader.h"
#include "xfr/axfr_writer.h"
#include "xfr/soa_query.h"
#include "zone/builder.h"

using understudy::AxfrReader;
using understudy::ByteReader;
using understudy::Bytes;
using understudy::ByteView;
using understudy::Name;
using understudy::ResponseSource;
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

void send_and_read_back(const std::shared_ptr<const Zone>& zone) {
  const understudy::ManualClock clock;
  understudy::AxfrWriter writer(zone, understudy::Header{.id = id},
                                {apex(), understudy::RRType::AXFR, understudy::RRClass::IN}, true, std::nullopt, clock);
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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input(ByteView(data, size));
  const bool probed = (input.u8() & 1) != 0;
  BuilderSink sink;
  AxfrReader reader(apex(), id, limits, probed ? std::optional(understudy::Serial{7}) : std::nullopt, std::nullopt,
                    sink);
  while (!input.at_end()) {
    const ByteView message = input.bytes(input.u16());
    if (!input.ok()) break;
    (void)understudy::read_soa_answer(message, apex(), id, understudy::Via::datagram, nullptr, now);
    (void)understudy::read_notify_answer(message, apex(), id, understudy::Via::stream, nullptr, now);
    const auto progress = reader.feed(message, now);
    if (!progress) {
      require(!progress.error().text().empty());
      return 0;
    }
    if (*progress == AxfrReader::Progress::done) {
      if (const auto zone = sink.builder.finish()) send_and_read_back(*zone);
      return 0;
    }
  }
  require(!reader.closed_early().text().empty());
  return 0;
}
