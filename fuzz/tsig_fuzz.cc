// layers: dns
// Signatures: any message may claim to be signed; what we sign verifies; a change of any bit in front of the signature
// is noticed. The first three octets of an input choose the algorithm and the bit to change, the rest is a message.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "dns/tsig.h"

using understudy::ByteReader;
using understudy::Bytes;
using understudy::ByteView;
using understudy::MessageView;
using understudy::Name;
using understudy::Rcode;
using understudy::TsigAlgorithm;
using understudy::TsigKey;
using understudy::TsigKeyring;

namespace {

constexpr std::uint64_t now = 1'700'000'000;
constexpr std::size_t algorithm_count = 6;

void require(bool condition) {
  if (!condition) std::abort();
}

TsigKeyring ring(TsigAlgorithm algorithm) {
  // Name and secret of the seeds.
  const ByteView secret = understudy::view_of("an understudy learns the whole part");
  TsigKeyring keys;
  keys.add({Name::parse("transfer.example.").value(), algorithm, Bytes(secret.begin(), secret.end())});
  return keys;
}

/// A message from outside, as a request and as a response.
void take(const MessageView& message, const TsigKeyring& keys, const std::shared_ptr<const TsigKey>& key) {
  const auto session = understudy::verify_request(message, keys, now);
  if (session && *session) {
    Bytes response(message.bytes().begin(), message.bytes().begin() + understudy::header_size);
    for (std::size_t i = 4; i < understudy::header_size; ++i) response[i] = 0;
    const std::size_t before = response.size();
    require(understudy::sign_response(response, **session, now).has_value());
    require(response.size() - before == understudy::tsig_size(**session));
    require(MessageView::parse(response).has_value());
  }
  understudy::TsigStream stream(key, Bytes(32, 1));
  for (int i = 0; i < 3; ++i) {
    if (!stream.verify(message, now)) break;
  }
  (void)stream.finish();
}

void sign_and_change(const MessageView& message, const TsigKeyring& keys, const TsigKey& key, std::uint16_t bit) {
  Bytes request(message.bytes().begin(), message.bytes().end());
  const std::size_t unsigned_size = request.size();
  const auto mac = understudy::sign_request(request, key, now);
  if (!mac) return;  // no room for a signature
  const auto authentic = understudy::verify_request(MessageView::parse(request).value(), keys, now);
  require(authentic && *authentic && (*authentic)->error == Rcode::NOERROR);
  require((*authentic)->request_mac == *mac);

  // The id is not covered: the original id stands in for it (RFC 8945 section 4.3.2).
  const std::size_t at = 2 + (bit >> 3) % (unsigned_size - 2);
  request[at] = static_cast<std::uint8_t>(request[at] ^ 1U << (bit & 7));
  const auto parsed = MessageView::parse(request);
  if (!parsed) return;
  const auto changed = understudy::verify_request(*parsed, keys, now);
  require(!changed || !*changed || (*changed)->error != Rcode::NOERROR);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input(ByteView(data, size));
  const auto algorithm = static_cast<TsigAlgorithm>(input.u8() % algorithm_count);
  const std::uint16_t bit = input.u16();
  const auto message = MessageView::parse(input.rest());
  if (!message) return 0;
  const TsigKeyring keys = ring(algorithm);
  const auto key = keys.find(Name::parse("transfer.example.").value());
  take(*message, keys, key);
  if (!message->tsig_offset()) sign_and_change(*message, keys, *key, bit);
  return 0;
}
