// Whether the NSEC and NSEC3 records of a response prove what it says: the name error, the missing type, the expansion
// of a wildcard, the referral without DS. RFC 4035 sections 3.1.3 and 5.4, RFC 5155 sections 8.3 to 8.9, RFC 6840
// section 4.
//
// Judged by owners, fields and type bit maps alone. Signatures are not verified: a record counts if it has one of its
// own, so that both sides of a comparison are held to the same. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "dns/message.h"

namespace understudy {

/// NSEC3 records with more iterations are not computed: 128 names of a response would take seconds.
inline constexpr std::uint16_t most_checked_iterations = 500;

/// Nor is a response whose hashes take more than this, which is one name of 127 labels with that many iterations.
inline constexpr std::size_t most_checked_blocks = 65'536;

struct ProofVerdict {
  enum class Kind : std::uint8_t { proves, fails, not_computed };
  Kind kind = Kind::proves;
  std::string why;  // in a few words, where it does not prove or was not computed
};

/// A response that says nothing that needs a proof is proved.
ProofVerdict check_proof(const MessageView& response);

}  // namespace understudy
