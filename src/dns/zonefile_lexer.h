// Zone file text cut into tokens (RFC 1035 section 5.1), one entry at a time.
//
// An entry is a line, or several joined by parentheses. Escapes are kept in the tokens, so that a consumer can tell an
// escaped dot from a plain one; decode_string resolves them. Tokens view the text given, which must outlive them.
// Thread-compatible.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace understudy {

struct TextToken {
  const char* start = nullptr;
  std::uint32_t size = 0;
  std::uint32_t line = 1;    // from 1
  std::uint32_t column = 1;  // octets, from 1
  bool quoted = false;       // stood between quotes, which are not part of the text
  bool escaped = false;      // holds at least one backslash
  bool adjacent = false;     // no blank between this token and the one before

  [[nodiscard]] std::string_view text() const { return {start, size}; }
  /// Is this unquoted word, as an entry's grammar needs it ("@", "\#").
  [[nodiscard]] bool is(std::string_view word) const { return !quoted && text() == word; }
};

/// A position and what is wrong there, in the words "expected ..., found ...".
struct TextMistake {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;
};

struct ZoneEntry {
  std::vector<TextToken> tokens;
  bool blank_first = false;  // began with white space: the owner is left out
  std::uint32_t end_line = 1;
  std::uint32_t end_column = 1;

  /// A mistake at token `index`; behind the last token it is the end of the line that was found.
  [[nodiscard]] TextMistake mistake(std::size_t index, std::string_view expected) const;
};

class ZoneLexer {
 public:
  enum class Outcome : std::uint8_t {
    entry,    // `entry` holds at least one token
    more,     // the text ends inside an entry and more text may follow: call set_text with at least rest() and more
    end,      // no more entries
    mistake,  // see mistake()
  };

  /// `is_last`: no more text follows. Text continues where rest() began.
  void set_text(std::string_view text, bool is_last) {
    text_ = text;
    position_ = 0;
    is_last_ = is_last;
  }
  [[nodiscard]] std::string_view rest() const { return text_.substr(position_); }
  Outcome next(ZoneEntry& entry);
  /// Where the next entry begins.
  [[nodiscard]] std::uint32_t line() const { return line_; }
  [[nodiscard]] const TextMistake& mistake() const { return mistake_; }

 private:
  struct Scan;
  Outcome scan_entry(Scan& scan, ZoneEntry& entry);
  bool scan_quoted(Scan& scan, TextToken& token);
  static void scan_plain(Scan& scan, TextToken& token);
  Outcome report(const Scan& scan, std::string text);

  std::string_view text_;
  std::size_t position_ = 0;
  std::uint32_t line_ = 1;
  bool is_last_ = true;
  TextMistake mistake_;
};

/// Resolves the escapes \X and \DDD and appends the octets. False for a broken escape or if the result had more than
/// `limit` octets.
bool decode_string(std::string_view text, std::size_t limit, Bytes& out);

/// Text from a file for a message: quoted, unprintable octets escaped, shortened.
std::string quote_found(std::string_view text);

}  // namespace understudy
