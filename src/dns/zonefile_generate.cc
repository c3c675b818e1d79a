#include "dns/zonefile_generate.h"

#include <fmt/format.h>

#include <algorithm>

#include "dns/rdata_parse.h"

namespace understudy {
namespace {

constexpr std::uint32_t highest_value = 0x7fff'ffff;
constexpr std::uint32_t widest = 255;  // octets; a name has no room for more

struct Modifier {
  std::int64_t offset = 0;
  std::uint32_t width = 0;
  char base = 'd';
};

/// OFFSET[,WIDTH[,BASE]], the text between the braces.
std::optional<Modifier> parse_modifier(std::string_view text) {
  Modifier modifier;
  const std::size_t first_comma = std::min(text.find(','), text.size());
  std::string_view offset = text.substr(0, first_comma);
  const bool negative = offset.starts_with('-');
  if (negative || offset.starts_with('+')) offset.remove_prefix(1);
  const auto size = parse_decimal(offset, highest_value);
  if (!size) return std::nullopt;
  modifier.offset = negative ? -std::int64_t{*size} : std::int64_t{*size};
  if (first_comma == text.size()) return modifier;

  std::string_view rest = text.substr(first_comma + 1);
  const std::size_t second_comma = std::min(rest.find(','), rest.size());
  const auto width = parse_decimal(rest.substr(0, second_comma), widest);
  if (!width) return std::nullopt;
  modifier.width = *width;
  if (second_comma == rest.size()) return modifier;

  const std::string_view base = rest.substr(second_comma + 1);
  if (base.size() != 1 || !std::string_view("doxXnN").contains(base[0])) return std::nullopt;
  modifier.base = base[0];
  return modifier;
}

/// Hex digits from the lowest on, a dot after each but the last, at least `width` characters.
void append_nibbles(std::string& out, std::uint64_t value, std::size_t width, bool upper) {
  const std::string_view digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  const std::size_t start = out.size();
  while (true) {
    out += digits[value & 15];
    value >>= 4;
    if (value == 0 && out.size() - start >= width) return;
    out += '.';
    if (value == 0 && out.size() - start >= width) return;
  }
}

/// False for a negative number in a base that has none.
bool append_number(std::string& out, std::int64_t value, const Modifier& modifier) {
  const auto append = [&](auto format) {
    fmt::format_to(std::back_inserter(out), fmt::runtime(format), value, modifier.width);
  };
  if (modifier.base == 'd') {
    append("{:0{}d}");
    return true;
  }
  if (value < 0) return false;
  switch (modifier.base) {
    case 'o':
      append("{:0{}o}");
      break;
    case 'x':
      append("{:0{}x}");
      break;
    case 'X':
      append("{:0{}X}");
      break;
    default:
      append_nibbles(out, static_cast<std::uint64_t>(value), modifier.width, modifier.base == 'N');
  }
  return true;
}

}  // namespace

std::optional<GenerateRange> GenerateRange::parse(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == text.npos) return std::nullopt;
  const std::size_t slash = std::min(text.find('/'), text.size());
  if (slash < dash) return std::nullopt;
  const auto start = parse_decimal(text.substr(0, dash), highest_value);
  const auto stop = parse_decimal(text.substr(dash + 1, slash - dash - 1), highest_value);
  const auto step = slash == text.size() ? 1U : parse_decimal(text.substr(slash + 1), highest_value);
  if (!start || !stop || !step || *start > *stop || *step == 0) return std::nullopt;
  return GenerateRange{*start, *stop, *step};
}

bool expand_template(std::string_view text, std::uint32_t value, std::string& out, std::string& expected) {
  out.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      out += text[i];
      if (++i < text.size()) out += text[i];
      continue;
    }
    if (text[i] != '$') {
      out += text[i];
      continue;
    }
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (next == '$') {
      out += '$';
      ++i;
      continue;
    }
    Modifier modifier;
    if (next == '{') {
      const std::size_t close = text.find('}', i);
      const auto parsed = close == text.npos ? std::nullopt : parse_modifier(text.substr(i + 2, close - i - 2));
      if (!parsed) {
        expected = "modifiers like ${OFFSET,WIDTH,BASE} with a base of d, o, x, X, n or N";
        return false;
      }
      modifier = *parsed;
      i = close;
    }
    if (!append_number(out, value + modifier.offset, modifier)) {
      expected = fmt::format("an offset that leaves {} at zero or above", value);
      return false;
    }
  }
  return true;
}

std::string generate_rhs(const ZoneEntry& entry, std::size_t first) {
  std::string rhs;
  const bool alone = entry.tokens.size() == first + 1;
  for (std::size_t i = first; i < entry.tokens.size(); ++i) {
    const TextToken& token = entry.tokens[i];
    if (i > first && !token.adjacent) rhs += ' ';
    if (!token.quoted) {
      rhs += token.text();
    } else if (!alone) {
      rhs += '"';
      rhs += token.text();
      rhs += '"';
    } else {
      const std::string_view text = token.text();
      for (std::size_t k = 0; k < text.size(); ++k) {
        if (text[k] == '\\' && k + 1 < text.size()) {
          if (text[k + 1] != '"') rhs += text[k];
          ++k;
        }
        rhs += text[k];
      }
    }
  }
  return rhs;
}

}  // namespace understudy
