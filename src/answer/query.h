// The common shape of a query, read in one pass: one question of class IN, at most an OPT record behind it, nothing
// else. Everything else is somebody else's (SlowAnswer), so `plain` false is no verdict on the message.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "dns/edns.h"
#include "dns/message.h"
#include "dns/type.h"
#include "zone/hash.h"

namespace understudy {

struct PlainQuery {
  HashedName name;  // refers into the query
  RRType type = RRType::A;
  bool has_edns = false;
  bool dnssec_ok = false;
  std::uint16_t udp_size = 512;
  std::uint16_t question_end = 0;  // offset behind the question
  EdnsRequest options;             // refers into the query
};

/// True if `query` has the common shape, an ordinary type (no meta type, not RRSIG) and EDNS version 0 if any, without
/// an option that needs the slow way (EXPIRE with a question for an SOA, and what is malformed).
bool read_plain_query(ByteView query, PlainQuery& out);

}  // namespace understudy
