// Binary data as text: base64 (RFC 4648 section 4), base32 with the extended hex alphabet (section 7) and hex (section
// 8).
//
// Decoding is strict: no white space, no foreign character, bits that carry no data are zero. Base64 must have its
// padding; base32hex has none, as DNS writes it (RFC 5155 section 3.3). Hex and base32hex digits may be of either case
// and are written in lower case. The incremental decoders take one text in pieces. Stateless otherwise, thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace understudy {

std::string base64_encode(ByteView data);
std::optional<Bytes> base64_decode(std::string_view text);
void append_base64(std::string& out, ByteView data);

std::string base32hex_encode(ByteView data);
std::optional<Bytes> base32hex_decode(std::string_view text);
void append_base32hex(std::string& out, ByteView data);

std::string hex_encode(ByteView data);
std::optional<Bytes> hex_decode(std::string_view text);
void append_hex(std::string& out, ByteView data);

/// Appends to `out` what the text given piece by piece stands for.
class Base64Decoder {
 public:
  explicit Base64Decoder(Bytes& out) : out_(out) {}
  /// False at the first character that cannot stand where it does.
  bool feed(std::string_view piece);
  /// True if what was fed is whole.
  [[nodiscard]] bool finish() const { return digits_ == 0; }

 private:
  Bytes& out_;
  std::uint32_t group_ = 0;
  unsigned digits_ = 0;   // of the open group of four, padding included
  unsigned padding_ = 0;  // seen so far; nothing may follow a padded group
};

/// The same for hex digits.
class HexDecoder {
 public:
  explicit HexDecoder(Bytes& out) : out_(out) {}
  bool feed(std::string_view piece);
  [[nodiscard]] bool finish() const { return !half_; }

 private:
  Bytes& out_;
  bool half_ = false;
  std::uint8_t high_ = 0;
};

}  // namespace understudy
