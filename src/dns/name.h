// Domain names in uncompressed wire form (RFC 1035 section 3.1), root included.
//
// NameView refers to a valid name that someone else keeps; Name owns one (inline, 256 octets, trivially copyable).
// Every NameView holds a well-formed name: labels of 1..63 octets, the root label last, 255 octets at most. The only
// ways to make one from foreign bytes are the checked functions below. Case is kept and never matters in a
// comparison (RFC 4343). Thread-compatible.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/simd.h"

namespace understudy {

inline constexpr std::size_t max_name_size = 255;  // octets in wire form, root included (RFC 1035 section 2.3.4)
inline constexpr std::size_t max_label_size = 63;
inline constexpr std::size_t max_labels = 127;  // without the root
inline constexpr std::size_t header_size = 12;  // of a message, in front of its first name (RFC 1035 section 4.1.1)

inline std::uint8_t ascii_lower(std::uint8_t c) {
  return static_cast<std::uint8_t>(c - 'A' < 26U ? c | 0x20 : c);
}
class NameView {
 public:
  /// The root.
  NameView() = default;
  /// `wire` must be one valid uncompressed name, from an earlier check. Not verified.
  static NameView trusted(ByteView wire) {
    NameView view;
    view.wire_ = wire;
    return view;
  }
  /// Reads one uncompressed name at the reader's position; compression pointers are refused (Errc::bad_label).
  static Result<NameView> read(ByteReader& reader);

  [[nodiscard]] ByteView wire() const { return wire_; }
  [[nodiscard]] std::size_t size() const { return wire_.size(); }
  [[nodiscard]] bool is_root() const { return wire_.size() == 1; }
  /// Labels without the root: "www.example." has 2.
  [[nodiscard]] std::size_t label_count() const;
  /// The name without its first label. Not for the root.
  [[nodiscard]] NameView parent() const { return trusted(wire_.subspan(wire_[0] + 1U)); }
  /// The name without its first `n` labels.
  [[nodiscard]] NameView ancestor(std::size_t n) const;
  /// The first label's octets. Not for the root.
  [[nodiscard]] ByteView first_label() const { return wire_.subspan(1, wire_[0]); }
  /// First label is "*" (RFC 4592 section 2.1.1).
  [[nodiscard]] bool is_wildcard() const { return wire_.size() > 2 && wire_[0] == 1 && wire_[1] == '*'; }
  /// This name is `ancestor` or below it.
  [[nodiscard]] bool is_at_or_below(NameView ancestor) const;
  [[nodiscard]] bool is_below(NameView ancestor) const { return size() > ancestor.size() && is_at_or_below(ancestor); }
  [[nodiscard]] bool equals(NameView other) const;
  /// Same octets, case included.
  [[nodiscard]] bool identical(NameView other) const;
  /// Canonical DNS name order (RFC 4034 section 6.1).
  [[nodiscard]] std::strong_ordering compare(NameView other) const;
  /// Presentation form with final dot and escapes (RFC 1035 section 5.1, RFC 4343 section 2.1).
  [[nodiscard]] std::string text() const;

  friend bool operator==(NameView a, NameView b) { return a.equals(b); }
  friend std::strong_ordering operator<=>(NameView a, NameView b) { return a.compare(b); }

 private:
  static constexpr std::uint8_t root_octet[1] = {0};
  ByteView wire_{root_octet};
};

class Name {
 public:
  /// The root.
  Name() = default;
  Name(NameView view);  // NOLINT(google-explicit-constructor): a copy is always meaningful

  /// Parses presentation form. A name without final dot is completed with `origin`.
  static Result<Name> parse(std::string_view text, NameView origin = {});
  /// A label put in front of a name; Errc::name_too_long or bad_label if that does not fit.
  static Result<Name> prepend(ByteView label, NameView parent);
  /// Reads a possibly compressed name out of a message (RFC 1035 section 4.1.4). Each pointer must aim before the
  /// start of the label run it ends, so a name costs at most 128 steps, and behind the header, whose octets are no
  /// name and change (a signature adds to ARCOUNT): Errc::bad_pointer. The reader stands behind the name afterwards.
  static Result<Name> read_compressed(ByteReader& message);
  /// The same checks without keeping the name.
  static Result<void> check_compressed(ByteReader& message);

  operator NameView() const { return view(); }  // NOLINT(google-explicit-constructor)
  [[nodiscard]] NameView view() const { return NameView::trusted({wire_.data(), size_}); }
  [[nodiscard]] ByteView wire() const { return {wire_.data(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool is_root() const { return size_ == 1; }
  [[nodiscard]] std::string text() const { return view().text(); }
  /// ASCII letters in lower case: the canonical form (RFC 4034 section 6.2).
  [[nodiscard]] Name lowered() const;

  friend bool operator==(const Name& a, const Name& b) { return a.view().equals(b.view()); }
  friend std::strong_ordering operator<=>(const Name& a, const Name& b) { return a.view().compare(b.view()); }

 private:
  friend struct NameBuilder;
  std::uint8_t size_ = 1;
  std::array<std::uint8_t, max_name_size> wire_{};
};

/// Hash and equality for standard containers, without case.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(NameView name) const;
  std::size_t operator()(const Name& name) const { return (*this)(name.view()); }
};
struct NameEqual {
  using is_transparent = void;
  bool operator()(NameView a, NameView b) const { return a.equals(b); }
};

}  // namespace understudy
