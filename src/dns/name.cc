#include "dns/name.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace understudy {
namespace {

constexpr std::uint8_t label_kind = 0xc0;          // the two bits above a label's length (RFC 1035 section 4.1.4)
constexpr unsigned max_pointers = max_labels + 1;  // a longer chain is made to waste time

/// Order of two labels: octets in lower case, then length (RFC 4034 section 6.1).
std::strong_ordering compare_labels(ByteView a, ByteView b) {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; i += 8) {
    const std::size_t left = common - i;
    const std::uint64_t x = lower_word(left >= 8 ? load_word(&a[i]) : load_short_word(&a[i], left));
    const std::uint64_t y = lower_word(left >= 8 ? load_word(&b[i]) : load_short_word(&b[i], left));
    if (x != y) return std::byteswap(x) <=> std::byteswap(y);
  }
  return a.size() <=> b.size();
}

/// Where each label of a name starts, the root left out.
struct LabelOffsets {
  std::size_t count = 0;
  std::array<std::uint8_t, max_labels> at;  // only the first `count` are set

  explicit LabelOffsets(ByteView wire) {
    for (std::size_t i = 0; wire[i] != 0; i += wire[i] + 1U) at[count++] = static_cast<std::uint8_t>(i);
  }
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Reads the octet that an escape stands for (RFC 1035 section 5.1); `i` is behind the backslash.
Result<std::uint8_t> read_escape(std::string_view text, std::size_t& i) {
  if (i >= text.size()) return fail(Errc::syntax, "nothing after '\\'");
  if (!is_digit(text[i])) return static_cast<std::uint8_t>(text[i++]);
  if (i + 3 > text.size() || !is_digit(text[i + 1]) || !is_digit(text[i + 2])) {
    return fail(Errc::syntax, "a numeric escape needs three digits");
  }
  const int value = (text[i] - '0') * 100 + (text[i + 1] - '0') * 10 + (text[i + 2] - '0');
  if (value > 255) return fail(Errc::syntax, "a numeric escape is above 255");
  i += 3;
  return static_cast<std::uint8_t>(value);
}

void append_escaped(std::string& out, std::uint8_t octet) {
  if (octet <= ' ' || octet >= 0x7f) {
    out += '\\';
    out += static_cast<char>('0' + octet / 100);
    out += static_cast<char>('0' + octet / 10 % 10);
    out += static_cast<char>('0' + octet % 10);
    return;
  }
  // Characters with a meaning in zone files.
  if (std::string_view(".\\\"();@$").find(static_cast<char>(octet)) != std::string_view::npos) out += '\\';
  out += static_cast<char>(octet);
}

/// Calls visit(octets) for every label of a possibly compressed name (RFC 1035 section 4.1.4), checked to be one that
/// ends and fits in 255 octets. The reader stands behind the name afterwards.
template <typename Visit>
Result<void> walk_compressed(ByteReader& message, Visit visit) {
  const ByteView data = message.data();
  const auto failed = [&](Errc code) {
    message.fail();
    return fail(code);
  };
  if (!message.ok()) return fail(Errc::truncated);
  std::size_t run_start = message.position();
  std::size_t at = run_start;
  std::size_t behind = 0;  // the octet after the first pointer, if there is one
  std::size_t size = 1;    // of the name, with the root
  unsigned pointers = 0;
  while (true) {
    if (at >= data.size()) return failed(Errc::truncated);
    const std::uint8_t length = data[at];
    if (length == 0) break;
    if ((length & label_kind) == label_kind) {
      if (at + 2 > data.size()) return failed(Errc::truncated);
      if (behind == 0) behind = at + 2;
      const std::size_t target = load_u16(&data[at]) & 0x3fffU;
      if (target >= run_start || target < header_size || ++pointers > max_pointers) return failed(Errc::bad_pointer);
      run_start = at = target;
      continue;
    }
    if ((length & label_kind) != 0) return failed(Errc::bad_label);
    if (at + 1 + length > data.size()) return failed(Errc::truncated);
    size += length + 1U;
    if (size > max_name_size) return failed(Errc::name_too_long);
    visit(data.subspan(at + 1, length));
    at += length + 1U;
  }
  message.seek(behind != 0 ? behind : at + 1);
  return {};
}

}  // namespace

/// Puts a name together from the front. After a failure the name is not usable.
struct NameBuilder {
  Name name;
  std::size_t size = 0;

  Result<void> label(ByteView octets) {
    if (octets.empty()) return fail(Errc::bad_label, "an empty label");
    if (octets.size() > max_label_size) return fail(Errc::bad_label, "a label over 63 octets");
    if (size + 1 + octets.size() + 1 > max_name_size) return fail(Errc::name_too_long);
    add(octets);
    return {};
  }
  /// A label that is known to fit.
  void add(ByteView octets) {
    name.wire_[size] = static_cast<std::uint8_t>(octets.size());
    std::memcpy(&name.wire_[size + 1], octets.data(), octets.size());
    size += octets.size() + 1;
  }
  Result<Name> finish(NameView rest = {}) {
    if (size + rest.size() > max_name_size) return fail(Errc::name_too_long);
    std::memcpy(&name.wire_[size], rest.wire().data(), rest.size());
    name.size_ = static_cast<std::uint8_t>(size + rest.size());
    return name;
  }
  static Name lowered(NameView view) {
    Name out(view);
    for (std::size_t i = 0; i < out.size_; ++i) out.wire_[i] = ascii_lower(out.wire_[i]);
    return out;
  }
};

Result<NameView> NameView::read(ByteReader& reader) {
  const ByteView data = reader.data();
  const std::size_t start = reader.position();
  const auto failed = [&](Errc code) {
    reader.fail();
    return fail(code);
  };
  if (!reader.ok()) return fail(Errc::truncated);
  std::size_t at = start;
  while (true) {
    if (at >= data.size()) return failed(Errc::truncated);
    const std::uint8_t length = data[at];
    if (length > max_label_size) return failed(Errc::bad_label);
    at += length + 1U;
    if (at - start > max_name_size) return failed(Errc::name_too_long);
    if (length == 0) break;
  }
  reader.seek(at);
  return trusted(data.subspan(start, at - start));
}

std::size_t NameView::label_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; wire_[i] != 0; i += wire_[i] + 1U) ++count;
  return count;
}

NameView NameView::ancestor(std::size_t n) const {
  std::size_t i = 0;
  for (; n > 0; --n) i += wire_[i] + 1U;
  return trusted(wire_.subspan(i));
}

bool NameView::is_at_or_below(NameView ancestor) const {
  if (size() < ancestor.size()) return false;
  const std::size_t extra = size() - ancestor.size();
  std::size_t i = 0;
  while (i < extra) i += wire_[i] + 1U;
  return i == extra && equal_without_case(wire_.data() + i, ancestor.wire_.data(), ancestor.size());
}

bool NameView::equals(NameView other) const {
  return size() == other.size() && equal_without_case(wire_.data(), other.wire_.data(), size());
}

bool NameView::identical(NameView other) const {
  return size() == other.size() && std::memcmp(wire_.data(), other.wire_.data(), size()) == 0;
}

std::strong_ordering NameView::compare(NameView other) const {
  const LabelOffsets mine(wire_);
  const LabelOffsets theirs(other.wire_);
  const std::size_t common = std::min(mine.count, theirs.count);
  for (std::size_t i = 1; i <= common; ++i) {
    const std::uint8_t a = mine.at[mine.count - i];
    const std::uint8_t b = theirs.at[theirs.count - i];
    const auto order = compare_labels(wire_.subspan(a + 1U, wire_[a]), other.wire_.subspan(b + 1U, other.wire_[b]));
    if (order != std::strong_ordering::equal) return order;
  }
  return mine.count <=> theirs.count;
}

std::string NameView::text() const {
  if (is_root()) return ".";
  std::string out;
  out.reserve(wire_.size());
  for (NameView rest = *this; !rest.is_root(); rest = rest.parent()) {
    for (const std::uint8_t octet : rest.first_label()) append_escaped(out, octet);
    out += '.';
  }
  return out;
}

Name::Name(NameView view) : size_(static_cast<std::uint8_t>(view.size())) {
  std::memcpy(wire_.data(), view.wire().data(), view.size());
}

Result<Name> Name::parse(std::string_view text, NameView origin) {
  if (text.empty()) return fail(Errc::syntax, "an empty name");
  if (text == ".") return Name();
  NameBuilder builder;
  std::array<std::uint8_t, max_label_size> label;
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i++];
    if (c == '.') {
      if (length == 0) return fail(Errc::syntax, "an empty label");
      US_TRY(builder.label({label.data(), length}));
      length = 0;
      continue;
    }
    auto octet = static_cast<std::uint8_t>(c);
    if (c == '\\') {
      US_ASSIGN(octet, read_escape(text, i));
    }
    if (length == max_label_size) return fail(Errc::bad_label, "a label over 63 octets");
    label[length++] = octet;
  }
  if (length == 0) return builder.finish();
  US_TRY(builder.label({label.data(), length}));
  return builder.finish(origin);
}

Result<Name> Name::prepend(ByteView label, NameView parent) {
  NameBuilder builder;
  US_TRY(builder.label(label));
  return builder.finish(parent);
}

Result<Name> Name::read_compressed(ByteReader& message) {
  NameBuilder builder;
  US_TRY(walk_compressed(message, [&](ByteView label) { builder.add(label); }));
  return builder.finish();
}

Result<void> Name::check_compressed(ByteReader& message) {
  return walk_compressed(message, [](ByteView) {});
}

Name Name::lowered() const {
  return NameBuilder::lowered(*this);
}

std::size_t NameHash::operator()(NameView name) const {
  // Multiply and fold eight octets a step; the constants are odd fractions of the golden ratio and of pi.
  std::uint64_t hash = name.size() * 0x9e37'79b9'7f4a'7c15U;
  const std::uint8_t* at = name.wire().data();
  const auto mix = [&](std::uint64_t word) {
    const auto product = static_cast<unsigned __int128>(hash ^ lower_word(word)) * 0x243f'6a88'85a3'08d3U;
    hash = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::size_t left = name.size();
  for (; left >= 8; left -= 8, at += 8) mix(load_word(at));
  mix(load_short_word(at, left));
  return hash;
}

}  // namespace understudy
