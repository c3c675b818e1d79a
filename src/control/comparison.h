// How `understudy compare` judges: two responses to one question compared in words. Pure; not thread-safe.
//
// Not compared, as servers choose it freely (doc/interop.md): NS records beside a positive answer, additional records
// but for the glue of a referral, and which records prove an absence as long as both sides' prove it (proof_check.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dns/message.h"

namespace understudy {

/// One thing that two responses say differently.
struct Difference {
  enum class Kind : std::uint8_t { value, record, proof };
  Kind kind = Kind::value;
  std::string what;                                  // "code", "flag AA"; of a record the part of the response
  std::string record;                                // owner, type and RDATA
  std::optional<std::uint32_t> ttl_here, ttl_there;  // of the record; none: it is not there
  std::string here, there;                           // of another value; why that proof is none, empty where it is one

  [[nodiscard]] bool is_ttl() const { return ttl_here && ttl_there; }
  /// A line for people.
  [[nodiscard]] std::string text() const;
};

struct Comparison {
  std::vector<Difference> differences;  // empty: none
  // NSEC and NSEC3 records, and signatures of theirs, that only one side sends while both prove what they say, and that
  // this was not judged; not differences.
  std::vector<Difference> proofs;

  /// Whether TTLs differ and nothing else.
  [[nodiscard]] bool ttl_only() const;
};

/// `ours` is "here" in the words, `theirs` "there".
Comparison compare_responses(const MessageView& ours, const MessageView& theirs);

}  // namespace understudy
