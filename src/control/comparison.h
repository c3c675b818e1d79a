// What `understudy compare` asks and how it judges: questions drawn from a zone's text, and two responses to one
// question compared in words. Pure; not thread-safe.
//
// Not compared, as servers choose it freely (doc/interop.md): NS records beside a positive answer, additional records
// but for the glue of a referral, and which records prove an absence as long as both sides' prove it (proof_check.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

struct ComparedQuestion {
  Name name;
  RRType type = RRType::A;

  [[nodiscard]] std::string text() const;
};

/// Questions about a zone from its text as `zone export` prints it: every RRset, and for every name a type that it does
/// not have and a name below that is not there. At most `limit` of them, evenly spread over the text; memory does not
/// grow with the zone.
class QuestionSampler {
 public:
  explicit QuestionSampler(std::size_t limit) : limit_(limit) {}

  /// The text in order, in pieces that may end anywhere. Errc::bad_value if it is no zone text.
  Result<void> take(std::string_view piece);
  /// After the last piece.
  [[nodiscard]] std::vector<ComparedQuestion> questions();
  /// How many there are to choose from.
  [[nodiscard]] std::uint64_t seen() const { return seen_; }

 private:
  Result<void> take_line(std::string_view line);
  void add_near_misses();
  void add(const Name& name, RRType type);

  const std::size_t limit_;
  std::string rest_;  // of a line whose end is yet to come
  Name owner_;
  std::vector<RRType> types_;  // of owner_
  std::uint64_t seen_ = 0, stride_ = 1;
  std::vector<ComparedQuestion> kept_;
};

/// The lines of a file with `NAME TYPE` in each; empty lines and those that begin with # are left out. Errc::bad_value
/// says which line is wrong. Names without a final dot are completed with `zone`.
Result<std::vector<ComparedQuestion>> read_questions(std::string_view text, std::string_view label, NameView zone);

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
  // NSEC and NSEC3 records, and signatures of theirs, that only one side proves an absence by while the other proves it
  // by others, and that this was not judged; not differences.
  std::vector<Difference> proofs;

  /// Whether TTLs differ and nothing else.
  [[nodiscard]] bool ttl_only() const;
};

/// `ours` is "here" in the words, `theirs` "there".
Comparison compare_responses(const MessageView& ours, const MessageView& theirs);

}  // namespace understudy
