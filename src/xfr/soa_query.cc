#include "xfr/soa_query.h"

#include "dns/message.h"
#include "dns/rdata.h"
#include "xfr/response_check.h"

namespace understudy {
namespace {

constexpr std::size_t max_query_size = 2048;  // the question and an SOA with two names of 255 octets fit

Bytes finished(Bytes buffer, const MessageWriter& writer) {
  buffer.resize(writer.size());
  return buffer;
}

Bytes query(NameView zone, std::uint16_t id, RRType type) {
  Bytes buffer(header_size + max_name_size + 4);
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(id, opcode_bits(Opcode::QUERY));
  writer.add_question(zone, type, RRClass::IN);
  return finished(std::move(buffer), writer);
}

/// Another exchange's datagram, to be passed over.
bool is_foreign(ByteView message, std::uint16_t id, Via via) {
  const auto header = Header::read(message);
  return via == Via::datagram && (!header || header->id != id);
}

/// The SOA of `zone` among the answers (RFC 1034 section 4.3.5).
Result<Serial> answered_serial(const MessageView& message, NameView zone) {
  Result<Serial> serial = fail(Errc::not_authoritative, "there is no SOA for " + zone.text() + " in the answer");
  message.for_each_record([&](const RecordView& record) {
    if (record.section != Section::answer) return false;
    if (record.type != RRType::SOA || record.klass != RRClass::IN || !record.owner().view().equals(zone)) return true;
    const Result<Bytes> rdata = record.rdata();
    serial = rdata ? Result<Serial>(Serial{soa_view(*rdata).serial}) : std::unexpected(rdata.error());
    return false;
  });
  return serial;
}

}  // namespace

Bytes soa_query(NameView zone, std::uint16_t id) {
  return query(zone, id, RRType::SOA);
}

Bytes axfr_query(NameView zone, std::uint16_t id) {
  return query(zone, id, RRType::AXFR);
}

Bytes notify_query(NameView zone, std::uint16_t id, std::uint32_t soa_ttl, ByteView soa_rdata) {
  Bytes buffer(max_query_size);
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(id, opcode_bits(Opcode::NOTIFY) | Header::aa);
  writer.add_question(zone, RRType::SOA, RRClass::IN);
  if (!soa_rdata.empty()) writer.add_record(Section::answer, zone, RRType::SOA, RRClass::IN, soa_ttl, soa_rdata);
  return finished(std::move(buffer), writer);
}

Result<SoaAnswer> read_soa_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                  std::uint64_t now) {
  if (is_foreign(message, id, via)) return SoaAnswer{};
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_response_header(view.header(), id, Opcode::QUERY));
  if ((view.header().flags & Header::tc) != 0) {
    // Before the signature: where it does not fit there may be none, and asking again over TCP does no harm.
    if (via == Via::datagram) return SoaAnswer{.kind = SoaAnswer::Kind::retry_over_tcp, .serial = {}};
    return fail(Errc::bad_header, "truncated (TC) on a stream");
  }
  if (tsig != nullptr) {
    US_TRY(tsig->verify(view, now));
    US_TRY(tsig->finish());
  }
  US_TRY(check_rcode(view));
  US_TRY(check_question(view, zone, RRType::SOA));
  if ((view.header().flags & Header::aa) == 0) {
    return fail(Errc::not_authoritative,
                "it answers without AA; does it still serve " + zone.text() + " as an authority?");
  }
  US_ASSIGN(const Serial serial, answered_serial(view, zone));
  return SoaAnswer{.kind = SoaAnswer::Kind::serial, .serial = serial};
}

Result<NotifyAnswer> read_notify_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                        std::uint64_t now) {
  if (is_foreign(message, id, via)) return NotifyAnswer::ignored;
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_response_header(view.header(), id, Opcode::NOTIFY));
  if (tsig != nullptr) {
    US_TRY(tsig->verify(view, now));
    US_TRY(tsig->finish());
  }
  US_TRY(check_rcode(view));
  US_TRY(check_question(view, zone, RRType::SOA));
  return NotifyAnswer::acknowledged;
}

}  // namespace understudy
