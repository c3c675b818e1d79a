// Small facts about queries that are answered the slow way. Pure, thread-safe.
#pragma once

#include <netinet/in.h>

#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "dns/message.h"
#include "dns/rdata.h"
#include "dns/serial.h"

namespace understudy {

inline Endpoint endpoint_of(const sockaddr* peer) {
  const socklen_t size = peer != nullptr && peer->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  return peer == nullptr ? Endpoint{} : Endpoint::from_sockaddr(peer, size).value_or(Endpoint{});
}

// Query types that no record has and that are not answered as transfers or ANY are: TKEY and the mail types of
// RFC 1035 are not implemented, pseudo records cannot be asked for.
inline Rcode meta_type_rcode(RRType type) {
  return type == RRType::OPT || type == RRType::TSIG || number(type) == 0 ? Rcode::FORMERR : Rcode::NOTIMP;
}

// As many of the options as have room.
inline ByteView whole_options(ByteView options, std::size_t room) {
  std::size_t size = 0;
  while (size < options.size()) {
    const std::size_t next = size + 4 + load_u16(&options[size + 2]);
    if (next > room) break;
    size = next;
  }
  return options.first(size);
}

// The serial that the sender of a NOTIFY or an IXFR query puts into an SOA of the zone in question.
inline std::optional<Serial> soa_serial(const MessageView& message, Section section) {
  std::optional<Serial> serial;
  message.for_each_record([&](const RecordView& record) {
    if (record.section != section || record.type != RRType::SOA || record.owner() != message.question()->name) {
      return true;
    }
    if (const auto rdata = record.rdata()) serial = Serial{soa_view(*rdata).serial};
    return false;
  });
  return serial;
}

}  // namespace understudy
