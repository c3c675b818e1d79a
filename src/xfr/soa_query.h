// What a secondary asks and announces, one message each way: the SOA probe, the transfer request and NOTIFY
// (RFC 1034 section 4.3.5, RFC 5936 section 2.1, RFC 1996). Messages are built and read here, sent elsewhere.
//
// Queries have RD clear and no EDNS; sign them afterwards with sign_request(). Reading is strict: an answer that is not
// from an authority for the zone is an error with words, never a serial. Stateless, thread-safe.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/name.h"
#include "dns/serial.h"
#include "dns/tsig.h"

namespace understudy {

Bytes soa_query(NameView zone, std::uint16_t id);
Bytes axfr_query(NameView zone, std::uint16_t id);
/// The zone's SOA goes into the answer section as a hint (RFC 1996 section 3.7), unless `soa_rdata` is empty.
Bytes notify_query(NameView zone, std::uint16_t id, std::uint32_t soa_ttl, ByteView soa_rdata);

/// How a response came: a stranger can put anything into a datagram socket, but not into a stream.
enum class Via : std::uint8_t { datagram, stream };

struct SoaAnswer {
  enum class Kind : std::uint8_t {
    serial,          // the primary has this serial
    retry_over_tcp,  // TC is set: ask the same over a stream
    ignored,         // a datagram that answers something else (id): keep waiting
  };
  Kind kind = Kind::ignored;
  Serial serial;
};

/// Reads the answer to soa_query(zone, id). `tsig` is null if the query was not signed; `now` in seconds since 1970
/// UTC. Errc::rcode (detail names it), not_authoritative (AA clear or no SOA), not_a_response, wrong_opcode,
/// wrong_question, wrong_id (on a stream), bad_header (TC on a stream), bad_rdata, those of MessageView::parse and
/// TsigStream::verify.
Result<SoaAnswer> read_soa_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                  std::uint64_t now);

enum class NotifyAnswer : std::uint8_t { acknowledged, ignored };

/// Reads the answer to notify_query(zone, id) (RFC 1996 section 4.7). Errors as above; Errc::rcode if it was refused.
Result<NotifyAnswer> read_notify_answer(ByteView message, NameView zone, std::uint16_t id, Via via, TsigStream* tsig,
                                        std::uint64_t now);

}  // namespace understudy
