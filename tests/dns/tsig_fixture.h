// What the TSIG tests share: one key, small messages, and a way to spoil signatures.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "base/encoding.h"
#include "dns/tsig.h"
#include "dns/tsig_vectors.h"

namespace understudy::tsig_fixture {

inline constexpr std::uint64_t now = vectors::vector_time;

inline Bytes unhex(std::string_view text) {
  return hex_decode(text).value();
}

inline TsigKey key_for(TsigAlgorithm algorithm, std::string_view name = "transfer.example.") {
  const ByteView secret = view_of(vectors::vector_secret);
  return {Name::parse(name).value(), algorithm, Bytes(secret.begin(), secret.end())};
}

inline std::shared_ptr<const TsigKey> shared_key(TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256) {
  return std::make_shared<const TsigKey>(key_for(algorithm));
}

inline TsigKeyring ring(TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256) {
  TsigKeyring keys;
  keys.add(key_for(algorithm));
  return keys;
}

inline MessageView view(const Bytes& message) {
  return MessageView::parse(message).value();
}

/// A message with one question; a response if `flags` says so.
inline Bytes message(std::uint16_t flags = 0) {
  Bytes out(512);
  MessageWriter writer(out, out.size());
  writer.set_header(0x1234, flags);
  writer.add_question(Name::parse("Example.COM.").value(), RRType::AXFR, RRClass::IN);
  out.resize(writer.size());
  return out;
}

inline Bytes signed_request(const TsigKey& key = key_for(TsigAlgorithm::hmac_sha256), std::uint64_t at = now) {
  Bytes out = message();
  EXPECT_TRUE(sign_request(out, key, at));
  return out;
}

/// Cuts (or, with zeros, extends) the MAC of a signed message to `size` octets, leaving everything else as it was.
inline Bytes with_mac_size(const Bytes& signed_message, std::size_t size) {
  const MessageView parsed = view(signed_message);
  const TsigRecord tsig = find_tsig(parsed).value().value();
  const std::size_t rdlength_at = *parsed.tsig_offset() + tsig.key_name.size() + 8;
  const std::size_t mac_at = static_cast<std::size_t>(tsig.mac.data() - parsed.bytes().data());
  Bytes out(signed_message.begin(), signed_message.begin() + static_cast<std::ptrdiff_t>(mac_at));
  Bytes mac(tsig.mac.begin(), tsig.mac.end());
  mac.resize(size);
  append(out, mac);
  append(out, ByteView(signed_message).subspan(mac_at + tsig.mac.size()));
  store_u16(&out[mac_at - 2], static_cast<std::uint16_t>(size));
  store_u16(&out[rdlength_at],
            static_cast<std::uint16_t>(load_u16(&signed_message[rdlength_at]) + size - tsig.mac.size()));
  return out;
}

inline TsigSession session_of(const Bytes& request, std::uint64_t at = now, const TsigKeyring& keys = ring()) {
  return verify_request(view(request), keys, at).value().value();
}

inline Errc verify_error(TsigStream& stream, const Bytes& response, std::uint64_t at = now) {
  const auto result = stream.verify(view(response), at);
  EXPECT_FALSE(result);
  return result ? Errc::internal : result.error().code;
}

}  // namespace understudy::tsig_fixture
