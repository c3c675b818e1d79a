#include "xfr/axfr_reader.h"

#include <utility>

namespace understudy {

AxfrReader::AxfrReader(TransferRequest request, TransferLimits limits, ZoneUpdateSink& sink)
    : TransferReader(std::move(request), limits), sink_(sink) {}

AxfrReader::AxfrReader(NameView zone, std::uint16_t id, TransferLimits limits, std::optional<Serial> probed,
                       std::optional<TsigStream> tsig, ZoneUpdateSink& sink)
    : AxfrReader(TransferRequest{.zone = zone,
                                 .id = id,
                                 .type = RRType::AXFR,
                                 .via = Via::stream,
                                 .edns = WithEdns::no,
                                 .probed = probed,
                                 .tsig = std::move(tsig)},
                 limits, sink) {}

Result<void> AxfrReader::take(NameView owner, const RecordView& record) {
  if (state_ == State::start) {
    US_ASSIGN(const ByteView rdata, take_opening(owner, record));
    state_ = State::body;
    return add_to(sink_, owner, record.type, record.ttl_value(), rdata);
  }
  US_ASSIGN(const bool closes, take_of_whole(sink_, owner, record));
  if (closes) state_ = State::done;
  return {};
}

Error AxfrReader::closed_early() const {
  if (counts_.messages == 0) return {Errc::connection_closed, "before the first message of the transfer"};
  switch (state_) {
    case State::start:
      return {Errc::bad_transfer_end, "the connection closed after empty messages only"};
    case State::body:
      if (counts_.records == 1)
        return {Errc::bad_transfer_end, "the connection closed after a single SOA and nothing else"};
      return {Errc::bad_transfer_end, "the connection closed after " + what_came() + ", before the closing SOA"};
    case State::done:
      break;
  }
  return {Errc::internal, "closed after a complete transfer of " + what_came()};
}

}  // namespace understudy
