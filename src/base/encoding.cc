#include "base/encoding.h"

#include <array>

namespace understudy {
namespace {

constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base32hex_digits = "0123456789abcdefghijklmnopqrstuv";
constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr std::uint8_t no_digit = 0xff;
using DigitValues = std::array<std::uint8_t, 256>;

constexpr DigitValues values_of(std::string_view digits, bool either_case) {
  DigitValues values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const char c = digits[i];
    values[static_cast<std::uint8_t>(c)] = static_cast<std::uint8_t>(i);
    if (either_case && c >= 'a' && c <= 'z') {
      values[static_cast<std::uint8_t>(c - ('a' - 'A'))] = static_cast<std::uint8_t>(i);
    }
  }
  return values;
}

constexpr DigitValues base64_values = values_of(base64_digits, false);
constexpr DigitValues base32hex_values = values_of(base32hex_digits, true);
constexpr DigitValues hex_values = values_of(hex_digits, true);

std::uint8_t value_of(const DigitValues& values, char c) {
  return values[static_cast<std::uint8_t>(c)];
}

}  // namespace

void append_base64(std::string& out, ByteView data) {
  out.reserve(out.size() + (data.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= data.size(); i += 3) {
    const std::uint32_t group = std::uint32_t{data[i]} << 16 | std::uint32_t{data[i + 1]} << 8 | data[i + 2];
    for (const int shift : {18, 12, 6, 0}) out += base64_digits[group >> shift & 63];
  }
  const std::size_t left = data.size() - i;
  if (left == 0) return;
  const std::uint32_t group = std::uint32_t{data[i]} << 16 | (left == 2 ? std::uint32_t{data[i + 1]} << 8 : 0U);
  out += base64_digits[group >> 18 & 63];
  out += base64_digits[group >> 12 & 63];
  out += left == 2 ? base64_digits[group >> 6 & 63] : '=';
  out += '=';
}

std::string base64_encode(ByteView data) {
  std::string out;
  append_base64(out, data);
  return out;
}

bool Base64Decoder::feed(std::string_view piece) {
  for (const char c : piece) {
    if (padding_ != 0 && digits_ == 0) return false;
    if (c == '=') {
      if (digits_ < 2) return false;
      ++padding_;
      group_ <<= 6;
    } else {
      const std::uint8_t value = value_of(base64_values, c);
      if (value == no_digit || padding_ != 0) return false;
      group_ = group_ << 6 | value;
    }
    if (++digits_ < 4) continue;
    const unsigned unused_bits = 8 * padding_;
    if ((group_ & ((1U << unused_bits) - 1)) != 0) return false;
    out_.push_back(static_cast<std::uint8_t>(group_ >> 16));
    if (padding_ < 2) out_.push_back(static_cast<std::uint8_t>(group_ >> 8));
    if (padding_ < 1) out_.push_back(static_cast<std::uint8_t>(group_));
    group_ = 0;
    digits_ = 0;
  }
  return true;
}

std::optional<Bytes> base64_decode(std::string_view text) {
  Bytes out;
  out.reserve(text.size() / 4 * 3);
  Base64Decoder decoder(out);
  if (!decoder.feed(text) || !decoder.finish()) return std::nullopt;
  return out;
}

void append_base32hex(std::string& out, ByteView data) {
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const std::uint8_t octet : data) {
    bits = bits << 8 | octet;
    count += 8;
    while (count >= 5) {
      count -= 5;
      out += base32hex_digits[bits >> count & 31];
    }
  }
  if (count != 0) out += base32hex_digits[bits << (5 - count) & 31];
}

std::string base32hex_encode(ByteView data) {
  std::string out;
  append_base32hex(out, data);
  return out;
}

std::optional<Bytes> base32hex_decode(std::string_view text) {
  Bytes out;
  out.reserve(text.size() * 5 / 8);
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const std::uint8_t value = value_of(base32hex_values, c);
    if (value == no_digit) return std::nullopt;
    bits = (bits << 5 | value) & 0xfff;
    count += 5;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<std::uint8_t>(bits >> count));
    }
  }
  // Five or more bits left over are a digit too many; fewer must be the zeros that fill up the last digit.
  if (count >= 5 || (bits & ((1U << count) - 1)) != 0) return std::nullopt;
  return out;
}

void append_hex(std::string& out, ByteView data) {
  out.reserve(out.size() + data.size() * 2);
  for (const std::uint8_t octet : data) {
    out += hex_digits[octet >> 4];
    out += hex_digits[octet & 15];
  }
}

std::string hex_encode(ByteView data) {
  std::string out;
  append_hex(out, data);
  return out;
}

bool HexDecoder::feed(std::string_view piece) {
  for (const char c : piece) {
    const std::uint8_t value = value_of(hex_values, c);
    if (value == no_digit) return false;
    if (half_) {
      out_.push_back(static_cast<std::uint8_t>(high_ << 4 | value));
    } else {
      high_ = value;
    }
    half_ = !half_;
  }
  return true;
}

std::optional<Bytes> hex_decode(std::string_view text) {
  Bytes out;
  out.reserve(text.size() / 2);
  HexDecoder decoder(out);
  if (!decoder.feed(text) || !decoder.finish()) return std::nullopt;
  return out;
}

}  // namespace understudy
