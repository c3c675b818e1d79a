#include "xfr/transfer_reader.h"

#include <utility>

#include "dns/rdata.h"
#include "xfr/response_check.h"

namespace understudy {
namespace {

constexpr unsigned max_empty_run = 100;

}  // namespace

std::string record_text(NameView owner, RRType type) {
  return owner.text() + " " + type_text(type);
}

std::unexpected<Error> at_record(NameView owner, RRType type, Error error) {
  error.detail = record_text(owner, type) + (error.detail.empty() ? "" : ": " + error.detail);
  return std::unexpected(std::move(error));
}

TransferReader::TransferReader(TransferRequest request, TransferLimits limits)
    : request_(std::move(request)), limits_(limits) {}

Result<TransferReader::Progress> TransferReader::feed(ByteView message, std::uint64_t now) {
  if (is_complete()) return fail(Errc::extra_records, "a further message");
  if (is_foreign(message, request_.id, request_.via)) return Progress::more;
  ++counts_.messages;
  counts_.octets += message.size();
  if (counts_.octets > limits_.max_octets) {
    return fail(Errc::byte_limit, std::to_string(limits_.max_octets) + " octets are allowed");
  }
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_response_header(view.header(), request_.id, Opcode::QUERY));
  if ((view.header().flags & Header::tc) != 0 && request_.via == Via::datagram) {
    // Before the signature: where it does not fit there may be none, and asking again over TCP does no harm.
    US_TRY(take_truncated());
    return Progress::done;
  }
  US_TRY(check_envelope(view, now));

  empty_run_ = view.header().ancount == 0 ? empty_run_ + 1 : 0;
  if (empty_run_ > max_empty_run) {
    return fail(Errc::empty_message, std::to_string(empty_run_) + " messages in a row");
  }
  US_TRY(take_answers(view));
  US_TRY(message_ends());
  if (!is_complete()) return Progress::more;
  if (request_.tsig) US_TRY(request_.tsig->finish());
  return Progress::done;
}

/// RFC 5936 section 2.2.1 and 2.2.2; AA, RA, AD, CD and Z are to be ignored.
Result<void> TransferReader::check_envelope(const MessageView& message, std::uint64_t now) {
  if (counts_.messages == 1) US_TRY(check_edns_understood(message, request_.edns));
  if (request_.tsig) US_TRY(request_.tsig->verify(message, now));
  US_TRY(check_rcode(message));
  if (counts_.messages == 1 || message.question()) {
    US_TRY(check_question(message, request_.zone, request_.type));
  }
  // A primary that says it left something out is believed.
  if ((message.header().flags & Header::tc) != 0) return fail(Errc::bad_header, "a truncated (TC) transfer message");
  if (!expire_) expire_ = expire_option(message);
  return {};
}

Result<void> TransferReader::take_truncated() {
  return fail(Errc::bad_header, "a truncated (TC) transfer message");
}

Result<void> TransferReader::take_answers(const MessageView& message) {
  Result<void> outcome;
  const auto take_one = [&](const RecordView& record) -> Result<void> {
    if (++counts_.records > limits_.max_records) {
      return fail(Errc::record_limit, std::to_string(limits_.max_records) + " records are allowed");
    }
    ByteReader reader(record.message, record.owner_offset);
    US_ASSIGN(const Name owner, Name::read_compressed(reader));
    if (is_complete()) return fail(Errc::extra_records, record_text(owner, record.type));
    if (record.klass != RRClass::IN && !opening_soa_.empty()) {
      ++counts_.wrong_class;
      return {};
    }
    return take(owner, record);
  };
  message.for_each_record([&](const RecordView& record) {
    if (record.section != Section::answer) return false;
    outcome = take_one(record);
    return outcome.has_value();
  });
  return outcome;
}

Result<ByteView> TransferReader::take_opening(NameView owner, const RecordView& record) {
  if (record.klass != RRClass::IN) return fail(Errc::wrong_class, record_text(owner, record.type));
  if (!is_apex_soa(owner, record)) {
    return fail(Errc::bad_transfer_start,
                record_text(owner, record.type) + ", expected " + record_text(zone(), RRType::SOA));
  }
  US_ASSIGN(const ByteView rdata, rdata_of(owner, record));
  serial_ = {soa_view(rdata).serial};
  if (request_.probed && serial_.is_older_than(*request_.probed)) {
    return fail(Errc::serial_backwards, "the transfer has " + std::to_string(serial_.value) + ", announced was " +
                                            std::to_string(request_.probed->value));
  }
  append_canonical_rdata(RRType::SOA, rdata, opening_soa_);
  return rdata;
}

bool TransferReader::is_opening_soa(ByteView soa_rdata) const {
  Bytes canonical;
  append_canonical_rdata(RRType::SOA, soa_rdata, canonical);
  return canonical == opening_soa_;
}

Result<ByteView> TransferReader::rdata_of(NameView owner, const RecordView& record) {
  if (!may_have_compressed_names(record.type)) {
    if (auto checked = check_rdata(record.type, record.raw_rdata()); !checked) {
      return at_record(owner, record.type, std::move(checked).error());
    }
    return record.raw_rdata();
  }
  rdata_.clear();
  ByteReader reader(record.message, record.rdata_offset);
  if (auto read = read_rdata(record.type, reader, record.rdata_size, rdata_); !read) {
    return at_record(owner, record.type, std::move(read).error());
  }
  return ByteView(rdata_);
}

Result<ByteView> TransferReader::zone_rdata_of(NameView owner, const RecordView& record) {
  if (is_meta_type(record.type)) {
    return fail(Errc::bad_rdata, record_text(owner, record.type) + ": a type that no zone can hold");
  }
  return rdata_of(owner, record);
}

Result<void> TransferReader::add_to(ZoneUpdateSink& sink, NameView owner, RRType type, std::uint32_t ttl,
                                    ByteView rdata) {
  const auto taken = sink.add(owner, type, ttl, rdata);
  if (!taken) return at_record(owner, type, taken.error());
  if (*taken == ZoneUpdateSink::Taken::duplicate) ++counts_.duplicates;
  if (*taken == ZoneUpdateSink::Taken::out_of_zone) ++counts_.out_of_zone;
  return {};
}

/// The second SOA of the apex ends a whole zone.
Result<bool> TransferReader::take_of_whole(ZoneUpdateSink& sink, NameView owner, const RecordView& record) {
  US_ASSIGN(const ByteView rdata, zone_rdata_of(owner, record));
  if (!is_apex_soa(owner, record)) {
    US_TRY(add_to(sink, owner, record.type, record.ttl_value(), rdata));
    return false;
  }
  if (!is_opening_soa(rdata)) {
    const std::uint32_t closing = soa_view(rdata).serial;
    return fail(Errc::bad_transfer_end, closing == serial_.value
                                            ? "the SOA differs, though not in its serial " + std::to_string(closing)
                                            : "it opened with serial " + std::to_string(serial_.value) +
                                                  " and closed with " + std::to_string(closing));
  }
  return true;
}

std::string TransferReader::what_came() const {
  return std::to_string(counts_.records) + (counts_.records == 1 ? " record in " : " records in ") +
         std::to_string(counts_.messages) + (counts_.messages == 1 ? " message" : " messages");
}

}  // namespace understudy
