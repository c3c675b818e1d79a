#include "base/result.h"

namespace understudy {

std::string_view errc_text(Errc code) {
  switch (code) {
    case Errc::truncated:
      return "the data ends inside a field";
    case Errc::bad_label:
      return "a label is malformed";
    case Errc::name_too_long:
      return "a name is longer than 255 octets";
    case Errc::bad_pointer:
      return "a compression pointer does not aim backwards";
    case Errc::bad_rdata:
      return "the record data does not fit its type";
    case Errc::trailing_data:
      return "there is data after the end";
    case Errc::bad_header:
      return "the message header contradicts the message";
    case Errc::bad_edns:
      return "the EDNS record is malformed";
    case Errc::bad_tsig:
      return "the TSIG record is malformed or misplaced";
    case Errc::no_space:
      return "the data does not fit";
    case Errc::syntax:
      return "syntax error";
    case Errc::bad_value:
      return "the value is not allowed";
    case Errc::unknown_key:
      return "unknown key";
    case Errc::io:
      return "input or output failed";
    case Errc::wrong_id:
      return "the response has another message id than the request";
    case Errc::not_a_response:
      return "the message is not a response (QR is clear)";
    case Errc::wrong_opcode:
      return "the response has another opcode than the request";
    case Errc::wrong_question:
      return "the response answers another question";
    case Errc::wrong_class:
      return "the class is not IN";
    case Errc::rcode:
      return "the server answered with an error";
    case Errc::edns_refused:
      return "the server does not know EDNS";
    case Errc::not_authoritative:
      return "the server is not authoritative for the zone";
    case Errc::bad_transfer_start:
      return "the transfer does not start with the zone's SOA";
    case Errc::bad_transfer_end:
      return "the transfer does not end with the SOA it started with";
    case Errc::extra_records:
      return "there are records after the closing SOA";
    case Errc::no_apex_soa:
      return "the zone has no SOA at its apex";
    case Errc::no_apex_ns:
      return "the zone has no NS at its apex";
    case Errc::record_limit:
      return "the zone is larger than allowed";
    case Errc::byte_limit:
      return "the transfer is larger than allowed";
    case Errc::serial_backwards:
      return "the serial is older than the one already known";
    case Errc::empty_message:
      return "a transfer message has no record";
    case Errc::bad_delta:
      return "the difference does not fit";
    case Errc::bad_catalog:
      return "the zone is no valid catalog";
    case Errc::connect_failed:
      return "cannot connect";
    case Errc::connection_closed:
      return "the peer closed the connection early";
    case Errc::timed_out:
      return "no answer in time";
    case Errc::stalled:
      return "the transfer makes no progress";
    case Errc::too_slow:
      return "the transfer is slower than allowed";
    case Errc::cancelled:
      return "cancelled";
    case Errc::limit_reached:
      return "a limit is reached";
    case Errc::tsig_missing:
      return "the response to a signed request is not signed";
    case Errc::tsig_bad_key:
      return "the TSIG key or algorithm is not the agreed one";
    case Errc::tsig_bad_signature:
      return "the TSIG signature is wrong";
    case Errc::tsig_bad_time:
      return "the TSIG time is outside the allowed window";
    case Errc::tsig_bad_truncation:
      return "the TSIG signature is shorter than allowed";
    case Errc::tsig_peer_error:
      return "the peer rejected our TSIG signature";
    case Errc::not_found:
      return "not found";
    case Errc::already_locked:
      return "the directory is in use by another server";
    case Errc::corrupt:
      return "stored data is damaged";
    case Errc::storage_full:
      return "the disk is full";
    case Errc::storage:
      return "the database failed";
    case Errc::usage:
      return "wrong usage";
    case Errc::not_running:
      return "the server is not running";
    case Errc::refused:
      return "refused";
    case Errc::unsupported:
      return "not supported";
    case Errc::internal:
      return "internal error, please report it";
  }
  return "unknown error";
}

std::string Error::text() const {
  std::string out(errc_text(code));
  if (!detail.empty()) {
    out += ": ";
    out += detail;
  }
  return out;
}

}  // namespace understudy
