// The checks that every response to one of our own requests must pass before its content is looked at.
// Stateless, thread-safe.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

/// Errc::wrong_id, not_a_response, wrong_opcode.
Result<void> check_response_header(const Header& header, std::uint16_t id, Opcode opcode);

/// The question is the one asked, the name compared without case. Errc::wrong_question, also if there is none.
Result<void> check_question(const MessageView& message, NameView name, RRType type);

/// Errc::rcode if the response code is not NOERROR; the detail names it and the reasons the peer gave (RFC 8914).
Result<void> check_rcode(const MessageView& message);

}  // namespace understudy
