// What `understudy compare` asks: questions drawn from a zone's text, or read from a file. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "dns/name.h"
#include "dns/type.h"

namespace understudy {

struct ComparedQuestion {
  Name name;
  RRType type = RRType::A;
  bool edns = true;  // with DO set

  /// As read_questions() reads it.
  [[nodiscard]] std::string text() const;
};

/// Questions about a zone from its text as `zone export` prints it: every RRset; for every name a type that it does not
/// have, DS if it is a zone cut without, a name below and one beside that are not there; every name that exists only
/// because of those below it, and one below it that is not there. Then the same without EDNS, as far as `limit` allows,
/// an eighth of it at least.
///
/// At most `limit` of them, evenly spread over the text; memory does not grow with the zone. Where names come before
/// those above them, or are very many, some may be taken for empty non-terminals that are none, or be asked twice.
class QuestionSampler {
 public:
  explicit QuestionSampler(std::size_t limit) : limit_(limit) {}

  /// The text in order, in pieces that may end anywhere. Errc::bad_value if it is no zone text.
  Result<void> take(std::string_view piece);
  /// After the last piece.
  [[nodiscard]] std::vector<ComparedQuestion> questions();
  /// How many there are to choose from.
  [[nodiscard]] std::uint64_t seen() const { return 2 * seen_; }

 private:
  static constexpr std::size_t known_names = 1 << 16;  // 512 KiB

  Result<void> take_line(std::string_view line);
  void begin_owner(const Name& owner);
  void add_missing_ancestors();
  void add_near_misses();
  void add_missing_below(NameView name);
  void add(const Name& name, RRType type);
  [[nodiscard]] bool has(RRType type) const;
  bool know(NameView name);

  const std::size_t limit_;
  std::string rest_;  // of a line whose end is yet to come
  Name apex_, owner_;
  std::vector<RRType> types_;         // of owner_
  std::vector<std::uint64_t> known_;  // hashes of names that came, each in the place that it names; 0: none
  std::uint64_t seen_ = 0, most_kept_ = ~std::uint64_t{0};
  std::vector<ComparedQuestion> kept_;
  std::vector<std::uint64_t> numbers_;  // of kept_: how many had come before
};

/// The lines of a file with `NAME TYPE [no-edns]` in each; empty lines and those that begin with # are left out.
/// Errc::bad_value says which line is wrong. Names without a final dot are completed with `zone`.
Result<std::vector<ComparedQuestion>> read_questions(std::string_view text, std::string_view label, NameView zone);

}  // namespace understudy
