// What a response says that NSEC or NSEC3 records must prove. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dns/message.h"
#include "dns/name.h"
#include "dns/record.h"
#include "dns/type.h"

namespace understudy {

struct ProofClaim {
  enum class Kind : std::uint8_t {
    name_error,  // there is no such name, nor a wildcard for it
    no_data,     // the name, or the wildcard for it, has no such type
    expansion,   // a wildcard stands for the name: there is nothing closer
    no_ds,       // the name is a zone cut without DS
  };
  Kind kind = Kind::name_error;
  Name name;
  RRType type = RRType::A;       // of no_data
  Name zone;                     // of no_data: whose SOA record comes with it
  std::size_t known_labels = 0;  // of expansion: how many of the name's last labels the wildcard is below
};

/// What one response may say that must be proved, and how many aliases it may go through.
inline constexpr std::size_t most_claims = 16;
inline constexpr std::size_t most_followed_aliases = 64;

/// Of a response with these records in its answer and authority sections; none: they are too many.
std::optional<std::vector<ProofClaim>> find_claims(const MessageView& response, const std::vector<Record>& answer,
                                                   const std::vector<Record>& authority);

/// What a signature's count of labels says for an owner whose record is no expansion (RFC 4034 section 3.1.3).
std::size_t signed_labels(NameView owner);

}  // namespace understudy
