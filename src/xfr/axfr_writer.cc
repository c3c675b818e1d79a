#include "xfr/axfr_writer.h"

#include <array>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// Names beyond the first 16 KiB of a message cannot be aimed at by compression pointers (RFC 1035 section 4.1.4), so
// longer messages carry the same zone in more octets. Only a record that needs more room gets more.
constexpr std::size_t usual_message_size = 16384;
constexpr std::size_t opt_size = 11;

/// The records of one RRset and then its signatures, one at a time, so that a message may end anywhere.
class RecordCursor {
 public:
  void start(NameView owner, RRsetView rrset) {
    owner_ = owner;
    type_ = rrset.type();
    chunk_ = rrset.chunk();
    at_ = 0;
  }
  void stop() { chunk_ = nullptr; }
  [[nodiscard]] bool at_end() const {
    return chunk_ == nullptr || at_ >= chunk_->record_octets() + chunk_->signature_octets();
  }
  [[nodiscard]] NameView owner() const { return owner_; }
  [[nodiscard]] RRType type() const { return in_records() ? type_ : RRType::RRSIG; }
  [[nodiscard]] std::uint32_t ttl() const { return load_u32(chunk_->records() + at_ + 6); }
  /// Uncompressed; valid until the next call.
  [[nodiscard]] ByteView rdata() {
    const std::size_t rdata_at = at_ + rrset_detail::record_header;
    if (!in_records() || chunk_->patch_count_ == 0) return {chunk_->records() + rdata_at, rdata_size()};
    return rrset_detail::expand(type_, chunk_->records(), rdata_at, rdata_size(), owner_, scratch_);
  }
  void advance() { at_ += rrset_detail::record_header + rdata_size(); }

 private:
  [[nodiscard]] bool in_records() const { return at_ < chunk_->record_octets(); }
  [[nodiscard]] std::size_t rdata_size() const { return load_u16(chunk_->records() + at_ + 10); }

  NameView owner_;
  RRType type_ = RRType::SOA;
  const Chunk* chunk_ = nullptr;
  std::size_t at_ = 0;  // of the record's header, from the start of the chunk's records
  std::array<std::uint8_t, 600> scratch_;
};

}  // namespace

struct AxfrWriter::State {
  enum class Phase : std::uint8_t { body, closing_soa, finished, failed };

  State(std::shared_ptr<const Zone> version, Header request_header, Question asked,
        std::optional<std::uint16_t> our_udp_size, std::optional<TsigSession> tsig, const Clock& its_clock)
      : cursor(std::move(version)),
        request(request_header),
        question(std::move(asked)),
        udp_size(our_udp_size),
        clock(its_clock) {
    if (!tsig) return;
    tsig_octets = tsig_size(*tsig);
    signer.emplace(std::move(*tsig));
  }

  bool next_record();
  Step fill(MessageWriter& writer);
  Step write(Bytes& out, std::size_t limit);
  Step next(Bytes& out);
  bool add_opening(MessageWriter& writer) const;

  // Constant after construction.
  ZoneCursor cursor;
  const Header request;
  const Question question;
  const std::optional<std::uint16_t> udp_size;  // of the OPT record, if there is to be one
  const Clock& clock;
  std::size_t tsig_octets = 0;
  // Progress.
  std::optional<TsigResponseSigner> signer;
  Phase phase = Phase::body;
  RecordCursor records;
  bool first = true;
};

/// Makes `records` stand at the next record to send; false if all have been sent.
bool AxfrWriter::State::next_record() {
  while (records.at_end()) {
    if (phase == Phase::finished) return false;
    if (phase == Phase::body && cursor.next()) {
      records.start(cursor.owner(), cursor.rrset());
    } else if (phase == Phase::body) {
      phase = Phase::closing_soa;
      const Zone& zone = cursor.zone();
      if (const auto soa = zone.rrset(zone.apex_node(), RRType::SOA)) records.start(zone.apex(), *soa);
    } else {
      phase = Phase::finished;
    }
  }
  return true;
}

/// Adds records until the message is full (message) or the transfer complete (done); failed if not one fits.
ResponseSource::Step AxfrWriter::State::fill(MessageWriter& writer) {
  while (next_record()) {
    if (!writer.add_record(Section::answer, records.owner(), records.type(), RRClass::IN, records.ttl(),
                           records.rdata())) {
      return writer.count(Section::answer) == 0 ? Step::failed : Step::message;
    }
    records.advance();
    if (phase == Phase::closing_soa) {
      // The SOA alone ends the transfer; its signatures went with the opening one.
      records.stop();
      phase = Phase::finished;
    }
  }
  return Step::done;
}

/// RFC 5936 section 2.2: the question is repeated in the first message only, and so is OPT.
bool AxfrWriter::State::add_opening(MessageWriter& writer) const {
  writer.set_header(request.id, static_cast<std::uint16_t>(Header::qr | Header::aa | (request.flags & Header::rd)));
  writer.reserve(tsig_octets + (first && udp_size ? opt_size : 0));
  return !first || writer.add_question(question.name, question.type, question.klass);
}

ResponseSource::Step AxfrWriter::State::write(Bytes& out, std::size_t limit) {
  out.resize(limit);
  MessageWriter writer(out, limit, MessageWriter::Compression::keeps_case);
  if (!add_opening(writer)) return Step::failed;
  const Step step = fill(writer);
  if (step == Step::failed) return step;
  if (first && udp_size) writer.add_opt(*udp_size, Rcode::NOERROR, false, {});
  out.resize(writer.size());
  first = false;
  return Step::message;
}

ResponseSource::Step AxfrWriter::State::next(Bytes& out) {
  if (phase == Phase::failed) return Step::failed;
  if (!next_record()) return Step::done;
  Step step = write(out, usual_message_size);
  if (step == Step::failed) step = write(out, max_message_size);
  if (step == Step::failed) {
    log_error("zone {}: transfer out failed: {} {} does not fit into any message", cursor.zone().apex().text(),
              records.owner().text(), type_text(records.type()));
    phase = Phase::failed;
    return step;
  }
  if (signer) {
    if (const auto signed_ok = signer->sign(out, static_cast<std::uint64_t>(clock.wall_seconds())); !signed_ok) {
      log_error("zone {}: transfer out failed: {}", cursor.zone().apex().text(), signed_ok.error().text());
      phase = Phase::failed;
      return Step::failed;
    }
  }
  return Step::message;
}

AxfrWriter::AxfrWriter(std::shared_ptr<const Zone> zone, Header request, Question question,
                       std::optional<std::uint16_t> udp_size, std::optional<TsigSession> tsig, const Clock& clock)
    : state_(std::make_shared<State>(std::move(zone), request, std::move(question), udp_size, std::move(tsig), clock)) {
}

ResponseSource::Step AxfrWriter::next(Bytes& out) {
  return state_->next(out);
}

}  // namespace understudy
