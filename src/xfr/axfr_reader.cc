#include "xfr/axfr_reader.h"

#include <string>
#include <utility>

#include "dns/rdata.h"
#include "xfr/response_check.h"

namespace understudy {
namespace {

constexpr unsigned max_empty_run = 100;

std::string record_text(NameView owner, RRType type) {
  return owner.text() + " " + type_text(type);
}

/// The same error, with the record that it is about in front.
std::unexpected<Error> at_record(NameView owner, RRType type, Error error) {
  error.detail = record_text(owner, type) + (error.detail.empty() ? "" : ": " + error.detail);
  return std::unexpected(std::move(error));
}

}  // namespace

AxfrReader::AxfrReader(NameView zone, std::uint16_t id, TransferLimits limits, std::optional<Serial> probed,
                       std::optional<TsigStream> tsig, ZoneUpdateSink& sink)
    : zone_(zone), id_(id), limits_(limits), probed_(probed), tsig_(std::move(tsig)), sink_(sink) {}

Result<AxfrReader::Progress> AxfrReader::feed(ByteView message, std::uint64_t now) {
  if (state_ == State::done) return fail(Errc::extra_records, "a further message");
  ++counts_.messages;
  counts_.octets += message.size();
  if (counts_.octets > limits_.max_octets) {
    return fail(Errc::byte_limit, std::to_string(limits_.max_octets) + " octets are allowed");
  }
  US_ASSIGN(const MessageView view, MessageView::parse(message));
  US_TRY(check_envelope(view, now));

  empty_run_ = view.header().ancount == 0 ? empty_run_ + 1 : 0;
  if (empty_run_ > max_empty_run) {
    return fail(Errc::empty_message, std::to_string(empty_run_) + " messages in a row");
  }
  Result<void> outcome;
  view.for_each_record([&](const RecordView& record) {
    if (record.section != Section::answer) return false;
    outcome = take(record);
    return outcome.has_value();
  });
  US_TRY(std::move(outcome));
  if (state_ != State::done) return Progress::more;
  if (tsig_) US_TRY(tsig_->finish());
  return Progress::done;
}

/// RFC 5936 section 2.2.1 and 2.2.2; AA, RA, AD, CD and Z are to be ignored.
Result<void> AxfrReader::check_envelope(const MessageView& message, std::uint64_t now) {
  US_TRY(check_response_header(message.header(), id_, Opcode::QUERY));
  if (tsig_) US_TRY(tsig_->verify(message, now));
  US_TRY(check_rcode(message));
  if (counts_.messages == 1 || message.question()) US_TRY(check_question(message, zone_, RRType::AXFR));
  // A primary that says it left something out is believed.
  if ((message.header().flags & Header::tc) != 0) return fail(Errc::bad_header, "a truncated (TC) transfer message");
  return {};
}

Result<void> AxfrReader::take(const RecordView& record) {
  if (++counts_.records > limits_.max_records) {
    return fail(Errc::record_limit, std::to_string(limits_.max_records) + " records are allowed");
  }
  ByteReader reader(record.message, record.owner_offset);
  US_ASSIGN(const Name owner, Name::read_compressed(reader));
  if (state_ == State::done) return fail(Errc::extra_records, record_text(owner, record.type));
  if (state_ == State::start) return take_opening(owner, record);
  if (record.klass != RRClass::IN) {
    ++counts_.wrong_class;
    return {};
  }
  if (record.type == RRType::SOA && owner.view().equals(zone_)) return take_closing(owner, record);
  return add(owner, record);
}

/// The first record of the transfer.
Result<void> AxfrReader::take_opening(NameView owner, const RecordView& record) {
  if (record.klass != RRClass::IN) return fail(Errc::wrong_class, record_text(owner, record.type));
  if (record.type != RRType::SOA || !owner.equals(zone_)) {
    return fail(Errc::bad_transfer_start,
                record_text(owner, record.type) + ", expected " + record_text(zone_, RRType::SOA));
  }
  const auto rdata = rdata_of(record);
  if (!rdata) return at_record(owner, record.type, rdata.error());
  serial_ = {soa_view(*rdata).serial};
  if (probed_ && serial_.is_older_than(*probed_)) {
    return fail(Errc::serial_backwards, "the transfer has " + std::to_string(serial_.value) + ", announced was " +
                                            std::to_string(probed_->value));
  }
  append_canonical_rdata(RRType::SOA, *rdata, opening_soa_);
  state_ = State::body;
  return add(owner, record);
}

/// The second SOA of the apex ends the transfer.
Result<void> AxfrReader::take_closing(NameView owner, const RecordView& record) {
  const auto rdata = rdata_of(record);
  if (!rdata) return at_record(owner, record.type, rdata.error());
  Bytes canonical;
  append_canonical_rdata(RRType::SOA, *rdata, canonical);
  if (canonical != opening_soa_) {
    const std::uint32_t closing = soa_view(*rdata).serial;
    return fail(Errc::bad_transfer_end, closing == serial_.value
                                            ? "the SOA differs, though not in its serial " + std::to_string(closing)
                                            : "it opened with serial " + std::to_string(serial_.value) +
                                                  " and closed with " + std::to_string(closing));
  }
  state_ = State::done;
  return {};
}

/// Checked and without compression; in the message itself if it can have none there.
Result<ByteView> AxfrReader::rdata_of(const RecordView& record) {
  if (!may_have_compressed_names(record.type)) {
    US_TRY(check_rdata(record.type, record.raw_rdata()));
    return record.raw_rdata();
  }
  rdata_.clear();
  ByteReader reader(record.message, record.rdata_offset);
  US_TRY(read_rdata(record.type, reader, record.rdata_size, rdata_));
  return ByteView(rdata_);
}

Result<void> AxfrReader::add(NameView owner, const RecordView& record) {
  if (is_meta_type(record.type)) {
    return fail(Errc::bad_rdata, record_text(owner, record.type) + ": a type that no zone can hold");
  }
  const auto rdata = rdata_of(record);
  if (!rdata) return at_record(owner, record.type, rdata.error());
  const auto taken = sink_.add(owner, record.type, record.ttl_value(), *rdata);
  if (!taken) return at_record(owner, record.type, taken.error());
  if (*taken == ZoneUpdateSink::Taken::duplicate) ++counts_.duplicates;
  if (*taken == ZoneUpdateSink::Taken::out_of_zone) ++counts_.out_of_zone;
  return {};
}

Error AxfrReader::closed_early() const {
  if (counts_.messages == 0) return {Errc::connection_closed, "before the first message of the transfer"};
  const std::string came = std::to_string(counts_.records) + " records in " + std::to_string(counts_.messages) +
                           (counts_.messages == 1 ? " message" : " messages");
  switch (state_) {
    case State::start:
      return {Errc::bad_transfer_end, "the connection closed after empty messages only"};
    case State::body:
      if (counts_.records == 1)
        return {Errc::bad_transfer_end, "the connection closed after a single SOA and nothing else"};
      return {Errc::bad_transfer_end, "the connection closed after " + came + ", before the closing SOA"};
    case State::done:
      break;
  }
  return {Errc::internal, "closed after a complete transfer of " + came};
}

}  // namespace understudy
