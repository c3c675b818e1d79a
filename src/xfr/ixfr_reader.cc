#include "xfr/ixfr_reader.h"

#include <string>

#include "dns/rdata.h"

namespace understudy {
namespace {

std::string number_text(Serial serial) {
  return std::to_string(serial.value);
}

}  // namespace

IxfrReader::IxfrReader(TransferRequest request, Serial ours, TransferLimits limits, ZoneUpdateSink& sink)
    : TransferReader(std::move(request), limits), ours_(ours), sink_(sink), builder_(zone()) {}

Result<void> IxfrReader::take(NameView owner, const RecordView& record) {
  switch (state_) {
    case State::start:
      return take_first(owner, record);
    case State::opened:
      return take_second(owner, record);
    case State::removing:
    case State::adding:
      return take_in_difference(owner, record);
    case State::whole:
    case State::done:
      break;
  }
  US_ASSIGN(const bool closes, take_of_whole(sink_, owner, record));
  if (closes) state_ = State::done;
  return {};
}

/// RFC 1995 section 4: the SOA of the server's version; alone it says that there is nothing newer, or not here.
Result<void> IxfrReader::take_first(NameView owner, const RecordView& record) {
  US_ASSIGN(const ByteView rdata, take_opening(owner, record));
  if (!serial().is_newer_than(ours_)) {
    answer_ = Answer::current;
    state_ = State::done;
    return {};
  }
  opening_rdata_.assign(rdata.begin(), rdata.end());
  opening_ttl_ = record.ttl_value();
  answer_ = Answer::single_soa;
  state_ = State::opened;
  return {};
}

/// RFC 1995 section 4: an incremental response begins with two SOA records, the second of the client's version.
Result<void> IxfrReader::take_second(NameView owner, const RecordView& record) {
  if (is_apex_soa(owner, record)) {
    answer_ = Answer::differences;
    to_ = ours_;
    US_ASSIGN(const ByteView rdata, rdata_of(owner, record));
    return begin_difference(record, rdata);
  }
  answer_ = Answer::whole;
  state_ = State::whole;
  US_TRY(add_to(sink_, zone(), RRType::SOA, opening_ttl_, opening_rdata_));
  return take(owner, record);
}

Result<void> IxfrReader::take_in_difference(NameView owner, const RecordView& record) {
  US_ASSIGN(const ByteView rdata, zone_rdata_of(owner, record));
  if (is_apex_soa(owner, record)) {
    if (state_ == State::removing) return turn_difference(record, rdata);
    US_TRY(end_difference());
    if (to_ != serial()) return begin_difference(record, rdata);
    if (!is_opening_soa(rdata)) {
      return fail(Errc::bad_delta,
                  "it ends with another SOA than it opened with, of serial " + std::to_string(soa_view(rdata).serial));
    }
    state_ = State::done;
    return {};
  }
  if (!owner.is_at_or_below(zone())) {
    ++counts_.out_of_zone;
    return {};
  }
  if (state_ == State::removing) {
    builder_.remove(owner, record.type, record.ttl_value(), rdata);
  } else {
    builder_.add(owner, record.type, record.ttl_value(), rdata);
  }
  return check_room();
}

/// The SOA that goes: that of our version, then of the one that the difference before led to.
Result<void> IxfrReader::begin_difference(const RecordView& record, ByteView soa) {
  from_ = {soa_view(soa).serial};
  if (from_ != to_) {
    const std::string expected = deltas_.empty() ? ", ours is " : ", the one before ended at ";
    return fail(Errc::bad_delta, "a difference begins at serial " + number_text(from_) + expected + number_text(to_));
  }
  if (deltas_.size() >= limits().max_differences) {
    return fail(Errc::bad_delta, "more than " + std::to_string(limits().max_differences) + " differences");
  }
  builder_.remove(zone(), RRType::SOA, record.ttl_value(), soa);
  state_ = State::removing;
  return check_room();
}

/// The SOA that comes. With every step between the one before and the end there can be no loop.
Result<void> IxfrReader::turn_difference(const RecordView& record, ByteView soa) {
  to_ = {soa_view(soa).serial};
  const std::string step = "a difference from serial " + number_text(from_) + " to " + number_text(to_);
  if (!to_.is_newer_than(from_)) {
    return fail(Errc::bad_delta, step + (to_ == from_ ? ": it leads nowhere" : ": it goes backwards"));
  }
  if (to_.value - ours_.value > serial().value - ours_.value) {
    return fail(Errc::bad_delta, step + " passes " + number_text(serial()) + ", where the answer is to end");
  }
  if (to_ == serial() && !is_opening_soa(soa)) {
    return fail(Errc::bad_delta, step + " has another SOA of that serial than the one that the answer opened with");
  }
  builder_.add(zone(), RRType::SOA, record.ttl_value(), soa);
  state_ = State::adding;
  return check_room();
}

Result<void> IxfrReader::end_difference() {
  US_ASSIGN(std::shared_ptr<const ZoneDelta> delta, builder_.finish());
  deltas_size_ += delta->size();
  deltas_.push_back(std::move(delta));
  return {};
}

/// What is kept may be many times what came: messages are compressed.
Result<void> IxfrReader::check_room() const {
  if (deltas_size_ + builder_.size() <= limits().max_octets) return {};
  return fail(Errc::byte_limit,
              "differences that take over " + std::to_string(limits().max_octets) + " octets of memory");
}

/// A datagram is the whole answer or none (RFC 1995 section 2): the SOA alone, or a part, says that there is more.
Result<void> IxfrReader::message_ends() {
  if (request().via != Via::datagram || state_ == State::done) return {};
  if (state_ == State::start) return fail(Errc::empty_message, "a datagram without answer to IXFR");
  return take_truncated();
}

Result<void> IxfrReader::take_truncated() {
  answer_ = Answer::ask_over_tcp;
  state_ = State::done;
  return {};
}

Error IxfrReader::closed_early() const {
  if (counts_.messages == 0) return {Errc::connection_closed, "before the first message of the transfer"};
  switch (state_) {
    case State::start:
      return {Errc::bad_transfer_end, "the connection closed after empty messages only"};
    case State::opened:
      return {Errc::bad_transfer_end, "a single newer SOA and nothing else came: the primary answers no IXFR"};
    case State::removing:
    case State::adding:
    case State::whole:
      return {Errc::bad_transfer_end, "the connection closed after " + what_came() + ", before the closing SOA"};
    case State::done:
      break;
  }
  return {Errc::internal, "closed after a complete transfer of " + what_came()};
}

}  // namespace understudy
