// What a secondary asks and announces, one message each way: the SOA probe, the transfer request and NOTIFY
// (RFC 1034 section 4.3.5, RFC 5936 section 2.1, RFC 1996). Messages are built and read here, sent elsewhere.
//
// Queries have RD clear; sign them afterwards with sign_request(). Reading is strict: an answer that is not from an
// authority for the zone is an error with words, never a serial. Stateless, thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "dns/tsig.h"

namespace understudy {

/// Whether a query has EDNS, and in it the question how long the server itself may still serve the zone (RFC 7314).
enum class WithEdns : std::uint8_t { no, expire };

Bytes soa_query(NameView zone, std::uint16_t id, WithEdns edns = WithEdns::no);
Bytes axfr_query(NameView zone, std::uint16_t id, WithEdns edns = WithEdns::no);
/// `ours`: the serial of our version. RFC 1995 section 3 wants our SOA in the authority section; servers look at its
/// owner and serial only, so the rest of it is left empty.
Bytes ixfr_query(NameView zone, std::uint16_t id, Serial ours, WithEdns edns = WithEdns::no);
/// The zone's SOA goes into the answer section as a hint (RFC 1996 section 3.7), unless `soa_rdata` is empty.
Bytes notify_query(NameView zone, std::uint16_t id, std::uint32_t soa_ttl, ByteView soa_rdata);

/// How a response came: a stranger can put anything into a datagram socket, but not into a stream.
enum class Via : std::uint8_t { datagram, stream };

/// A datagram that belongs to another exchange (or is noise), to be passed over.
bool is_foreign(ByteView message, std::uint16_t id, Via via);

struct SoaAnswer {
  enum class Kind : std::uint8_t {
    serial,          // the primary has this serial
    retry_over_tcp,  // TC is set: ask the same over a stream
    ignored,         // a datagram that answers something else (id): keep waiting
  };
  Kind kind = Kind::ignored;
  Serial serial = {};
  std::optional<std::uint32_t> expire = {};  // how long the primary itself may still serve the zone, if it said so
};

/// Reads the answer to soa_query(zone, id, edns). `tsig` is null if the query was not signed; `now` in seconds since
/// 1970 UTC. Errc::rcode (detail names it), edns_refused (ask again without EDNS), not_authoritative (AA clear or no
/// SOA), not_a_response, wrong_opcode, wrong_question, wrong_id (on a stream), bad_header (TC on a stream), bad_rdata,
/// those of MessageView::parse and TsigStream::verify.
Result<SoaAnswer> read_soa_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                  std::uint64_t now, WithEdns edns = WithEdns::no);

/// The EXPIRE option of a response: four octets (RFC 7314 section 3), anything else does not count.
std::optional<std::uint32_t> expire_option(const MessageView& response);

/// Errc::edns_refused if a query with EDNS was answered by a response code that a server without EDNS may give
/// (RFC 6891 section 7): the same without EDNS is worth a try. To be called before the signature is looked at: such a
/// server may not have understood that either, and asking without EDNS loses nothing but the option.
Result<void> check_edns_understood(const MessageView& response, WithEdns asked);

enum class NotifyAnswer : std::uint8_t { acknowledged, ignored };

/// Reads the answer to notify_query(zone, id) (RFC 1996 section 4.7). Errors as above; Errc::rcode if it was refused.
Result<NotifyAnswer> read_notify_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                        std::uint64_t now);

}  // namespace understudy
