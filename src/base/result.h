// Outcomes of operations that can fail, as values.
//
// Every function that can fail for a reason outside this program returns Result<T>. An Error carries a code from
// one flat list and, where it helps the reader, what was at hand (a name, a number, a file position). Text for
// people is made by Error::text() where it is shown. Outcomes that are not failures are values of T, not errors.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace understudy {

/// Every reason for failure. The comment is the meaning; errc_text() has the sentence shown to people.
enum class Errc {
  // Reading wire data
  truncated,      // ran out of bytes inside a field
  bad_label,      // reserved label type, or a label over 63 octets
  name_too_long,  // over 255 octets
  bad_pointer,    // compression pointer that does not aim strictly backwards
  bad_rdata,      // RDATA that does not fit its type
  trailing_data,  // octets left over after the last field
  bad_header,     // counts or flags that contradict the content
  bad_edns,       // more than one OPT, or a malformed one
  bad_tsig,       // TSIG record malformed, not last, or more than one
  no_space,       // the output does not fit in its buffer
  // Reading text
  syntax,       // text that the grammar does not allow
  bad_value,    // a value outside its range
  unknown_key,  // configuration: a key that does not exist
  io,           // a file or socket operation failed (detail has the system's words)
  // Transfers
  wrong_id,            // response with another message id than asked
  not_a_response,      // QR is clear
  wrong_opcode,        // response with another opcode
  wrong_question,      // response to another question
  wrong_class,         // a class that is not the zone's where it matters
  rcode,               // the peer answered with an error code (detail names it)
  edns_refused,        // the peer answered FORMERR, NOTIMP or BADVERS to a request with EDNS (detail names it)
  not_authoritative,   // the primary answered without AA, or without the SOA asked for
  bad_transfer_start,  // the stream does not open with the zone's SOA
  bad_transfer_end,    // the stream closed before, or with another SOA than, the opening one
  extra_records,       // records after the closing SOA
  no_apex_soa,         // the zone has no SOA at its apex
  no_apex_ns,          // the zone has no NS at its apex
  record_limit,        // more records than allowed
  byte_limit,          // more octets than allowed
  serial_backwards,    // the transferred serial is older than the probed or the served one
  empty_message,       // a transfer message without a record
  bad_delta,           // a difference that does not fit: order, serials, a record that is or is not there
  bad_catalog,         // a catalog zone that breaks RFC 9432
  // Connections
  connect_failed,
  connection_closed,  // closed by the peer before the exchange was complete
  timed_out,          // no answer in time
  stalled,            // no progress for the set time
  too_slow,           // below the set rate
  cancelled,          // stopped by this server (shutdown, reload, newer work)
  limit_reached,      // a configured limit of concurrent work
  // TSIG (RFC 8945)
  tsig_missing,  // the request was signed, the response is not
  tsig_bad_key,  // another key or algorithm than asked for
  tsig_bad_signature,
  tsig_bad_time,
  tsig_bad_truncation,  // MAC shorter than allowed
  tsig_peer_error,      // the peer answered with a TSIG error (detail names it)
  // Storage
  not_found,
  already_locked,  // another server uses the directory
  corrupt,         // stored data that fails its checks
  storage_full,
  storage,  // any other failure of the database (detail has its words)
  // Control
  usage,
  not_running,
  refused,
  unsupported,
  internal,  // our own mistake, reported instead of crashing
};

/// One sentence for people, without a final stop.
std::string_view errc_text(Errc code);

struct Error {
  Errc code;
  std::string detail;  // what was at hand; may be empty

  /// "sentence: detail", or the sentence alone.
  [[nodiscard]] std::string text() const;
};

template <typename T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, std::string detail = {}) {
  return std::unexpected(Error{code, std::move(detail)});
}

}  // namespace understudy

#define US_CONCAT_INNER(a, b) a##b
#define US_CONCAT(a, b) US_CONCAT_INNER(a, b)

/// Returns the error of `expr` (a Result) from the enclosing function, if there is one.
#define US_TRY(expr)                                        \
  do {                                                      \
    if (auto us_result = (expr); !us_result) {              \
      return std::unexpected(std::move(us_result).error()); \
    }                                                       \
  } while (false)

/// `US_ASSIGN(auto x, f());` binds x to the value of f() or returns its error.
#define US_ASSIGN(declaration, expr)                                           \
  auto US_CONCAT(us_value_, __LINE__) = (expr);                                \
  if (!US_CONCAT(us_value_, __LINE__)) {                                       \
    return std::unexpected(std::move(US_CONCAT(us_value_, __LINE__)).error()); \
  }                                                                            \
  declaration = *std::move(US_CONCAT(us_value_, __LINE__))
