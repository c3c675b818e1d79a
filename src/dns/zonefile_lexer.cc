#include "dns/zonefile_lexer.h"

#include <fmt/format.h>

#include <array>

namespace understudy {
namespace {

// What an octet means outside quotes.
enum class Kind : std::uint8_t { plain, blank, newline, comment, quote, open, close, backslash };

constexpr std::array<Kind, 256> kinds = [] {
  std::array<Kind, 256> table{};
  table[' '] = table['\t'] = table['\r'] = Kind::blank;
  table['\n'] = Kind::newline;
  table[';'] = Kind::comment;
  table['"'] = Kind::quote;
  table['('] = Kind::open;
  table[')'] = Kind::close;
  table['\\'] = Kind::backslash;
  return table;
}();

Kind kind_of(char c) {
  return kinds[static_cast<std::uint8_t>(c)];
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

/// The scanner's place in the text, and what it knows of the entry.
struct ZoneLexer::Scan {
  const char* at;
  const char* end;
  const char* line_start;
  std::uint32_t line;
  std::uint32_t depth = 0;  // open parentheses
  std::uint32_t open_line = 0, open_column = 0;
  bool adjacent = false;

  [[nodiscard]] std::uint32_t column() const { return static_cast<std::uint32_t>(at - line_start) + 1; }
  void newline() {
    ++at;
    ++line;
    line_start = at;
  }
};

ZoneLexer::Outcome ZoneLexer::report(const Scan& scan, std::string text) {
  mistake_ = {scan.line, scan.column(), std::move(text)};
  return Outcome::mistake;
}

ZoneLexer::Outcome ZoneLexer::next(ZoneEntry& entry) {
  while (true) {
    entry.tokens.clear();
    const char* begin = text_.data() + position_;
    Scan scan{.at = begin, .end = text_.data() + text_.size(), .line_start = begin, .line = line_};
    if (scan.at == scan.end) return is_last_ ? Outcome::end : Outcome::more;
    entry.blank_first = kind_of(*scan.at) == Kind::blank;
    const Outcome outcome = scan_entry(scan, entry);
    if (outcome == Outcome::mistake || outcome == Outcome::more) return outcome;
    position_ = static_cast<std::size_t>(scan.at - text_.data());
    line_ = scan.line;
    if (!entry.tokens.empty()) return Outcome::entry;
  }
}

/// Scans up to and including the newline that ends the entry.
ZoneLexer::Outcome ZoneLexer::scan_entry(Scan& scan, ZoneEntry& entry) {
  while (scan.at != scan.end) {
    switch (kind_of(*scan.at)) {
      case Kind::blank:
        ++scan.at;
        scan.adjacent = false;
        break;
      case Kind::comment:
        while (scan.at != scan.end && *scan.at != '\n') ++scan.at;
        break;
      case Kind::newline:
        entry.end_line = scan.line;
        entry.end_column = scan.column();
        scan.newline();
        scan.adjacent = false;
        if (scan.depth == 0) return Outcome::entry;
        break;
      case Kind::open:
        if (scan.depth++ == 0) {
          scan.open_line = scan.line;
          scan.open_column = scan.column();
        }
        ++scan.at;
        scan.adjacent = false;
        break;
      case Kind::close:
        if (scan.depth == 0) return report(scan, "expected an opening parenthesis before it, found \")\"");
        --scan.depth;
        ++scan.at;
        scan.adjacent = false;
        break;
      case Kind::quote:
      case Kind::plain:
      case Kind::backslash: {
        TextToken token{.line = scan.line, .column = scan.column(), .adjacent = scan.adjacent};
        if (*scan.at != '"') {
          scan_plain(scan, token);
        } else if (!scan_quoted(scan, token)) {
          if (scan.at == scan.end && !is_last_) return Outcome::more;
          return report(scan, fmt::format("expected a closing quote for the one in column {}, found the end of the {}",
                                          token.column, scan.at == scan.end ? "file" : "line"));
        }
        entry.tokens.push_back(token);
        scan.adjacent = true;
        break;
      }
    }
  }
  if (!is_last_) return Outcome::more;
  if (scan.depth != 0) {
    return report(scan, fmt::format("expected a closing parenthesis for the one in line {} column {}, "
                                    "found the end of the file",
                                    scan.open_line, scan.open_column));
  }
  entry.end_line = scan.line;
  entry.end_column = scan.column();
  return Outcome::entry;
}

/// RFC 1035 section 5.1: blanks, ';' and parentheses are ordinary between quotes. A line's end is not: a forgotten
/// quote would swallow the rest of the file.
bool ZoneLexer::scan_quoted(Scan& scan, TextToken& token) {
  token.quoted = true;
  token.start = ++scan.at;
  for (; scan.at != scan.end && *scan.at != '\n'; ++scan.at) {
    if (*scan.at == '"') {
      token.size = static_cast<std::uint32_t>(scan.at - token.start);
      ++scan.at;
      return true;
    }
    if (*scan.at == '\\') {
      token.escaped = true;
      if (scan.at + 1 != scan.end && scan.at[1] != '\n') ++scan.at;
    }
  }
  return false;
}

void ZoneLexer::scan_plain(Scan& scan, TextToken& token) {
  token.start = scan.at;
  while (scan.at != scan.end) {
    const Kind kind = kind_of(*scan.at);
    if (kind == Kind::plain) {
      ++scan.at;
    } else if (kind == Kind::backslash) {
      token.escaped = true;
      ++scan.at;
      if (scan.at != scan.end && *scan.at != '\n') ++scan.at;
    } else {
      break;
    }
  }
  token.size = static_cast<std::uint32_t>(scan.at - token.start);
}

TextMistake ZoneEntry::mistake(std::size_t index, std::string_view expected) const {
  if (index >= tokens.size()) {
    return {end_line, end_column, fmt::format("expected {}, found the end of the line", expected)};
  }
  const TextToken& token = tokens[index];
  return {token.line, token.column, fmt::format("expected {}, found {}", expected, quote_found(token.text()))};
}

bool decode_string(std::string_view text, std::size_t limit, Bytes& out) {
  const std::size_t before = out.size();
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto octet = static_cast<std::uint8_t>(text[i]);
    if (octet == '\\') {
      if (++i == text.size()) return false;
      octet = static_cast<std::uint8_t>(text[i]);
      if (is_digit(text[i])) {
        if (text.size() - i < 3 || !is_digit(text[i + 1]) || !is_digit(text[i + 2])) return false;
        const int value = (text[i] - '0') * 100 + (text[i + 1] - '0') * 10 + (text[i + 2] - '0');
        if (value > 255) return false;
        octet = static_cast<std::uint8_t>(value);
        i += 2;
      }
    }
    if (out.size() - before == limit) return false;
    out.push_back(octet);
  }
  return true;
}

std::string quote_found(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, longest)) {
    if (c >= ' ' && c < 0x7f) {
      out += c;
    } else {
      out += fmt::format("\\{:03}", static_cast<std::uint8_t>(c));
    }
  }
  out += text.size() > longest ? "...\"" : "\"";
  return out;
}

}  // namespace understudy
