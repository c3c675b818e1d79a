// Parsing of RDATA in presentation form, from tokens. Internal to dns/: others use parse_rdata.
//
// A RdataParser walks tokens and appends wire form. Its functions return false at a mistake, which is kept as the index
// of the token and what was expected there. Thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "dns/name.h"
#include "dns/rdata_table.h"
#include "dns/type.h"
#include "dns/zonefile_lexer.h"

namespace understudy {

class RdataParser {
 public:
  /// Parses tokens[first..]. `out` gets the wire form appended; on failure its content is unspecified.
  RdataParser(std::span<const TextToken> tokens, std::size_t first, NameView origin, Bytes& out)
      : tokens_(tokens), position_(first), origin_(origin), out_(out), out_start_(out.size()) {}

  /// The whole RDATA up to the last token; also the \# form of any type (RFC 3597 section 5).
  bool parse(RRType type);

  [[nodiscard]] std::size_t position() const { return position_; }  // after a mistake: the token it is about
  [[nodiscard]] const std::string& expected() const { return expected_; }

 private:
  // Tokens
  [[nodiscard]] bool at_end() const { return position_ == tokens_.size(); }
  [[nodiscard]] const TextToken& token() const { return tokens_[position_]; }
  bool mistake(std::string_view expected) {
    expected_ = expected;
    return false;
  }

  bool parse_field(Field field);
  bool parse_rest_field(Field field);
  bool parse_opaque(RRType type);

  bool decimal(std::uint32_t highest, std::uint32_t& value, std::string_view expected);
  bool number(std::uint32_t highest, std::size_t octets, std::string_view expected);
  bool mnemonic(Field field);
  bool period();
  bool time();
  bool type_mnemonic();
  bool ipv4();
  bool ipv6();
  bool eui(std::size_t octets);
  bool locator();
  bool name();
  bool string();
  bool long_string();
  bool tag();
  bool hex_rest(std::string_view expected);
  bool hex_counted();
  bool base32_counted();
  bool base64_rest(bool may_be_empty);
  bool nsap();
  // rdata_special.cc
  bool type_list(std::vector<std::uint16_t>& types, std::uint16_t highest);
  bool bitmap();
  bool nxt_bitmap();
  bool apl();
  bool gateway(unsigned kind);
  bool ipsec_gateway();
  bool amt_relay();
  bool hip_key();
  // rdata_loc.cc
  bool loc();
  bool loc_angle(std::uint32_t degrees, std::string_view letters, std::uint32_t& wire);
  // rdata_svcb.cc
  bool svc_params();
  bool svc_param(Bytes& param);

  const std::span<const TextToken> tokens_;
  std::size_t position_;
  const NameView origin_;
  Bytes& out_;
  const std::size_t out_start_;
  std::string expected_;
};

/// Decimal digits only, at most `highest`.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t highest);
/// Seconds: "3600", "1h30m" (units s m h d w, of either case).
std::optional<std::uint32_t> parse_period(std::string_view text);
/// Dotted quad / RFC 4291 text; appends 4 or 16 octets.
bool append_ipv4(std::string_view text, Bytes& out);
bool append_ipv6(std::string_view text, Bytes& out);

}  // namespace understudy
