#include "transfer/signed_request.h"

#include <sys/random.h>

#include <random>
#include <utility>

namespace understudy {
namespace {

/// Not to be guessed by a stranger who would answer in the peer's place.
std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof id, 0) != sizeof id) id = static_cast<std::uint16_t>(std::random_device()());
  return id;
}

}  // namespace

std::uint64_t signature_time(const Clock& clock) {
  return static_cast<std::uint64_t>(clock.wall_seconds());
}

std::optional<TsigStream> SignedRequest::fresh_stream(const std::shared_ptr<const TsigKey>& key) const {
  if (!key) return std::nullopt;
  return TsigStream(key, mac);
}

Result<SignedRequest> make_signed_request(const std::shared_ptr<const TsigKey>& key, const Clock& clock,
                                          const std::function<Bytes(std::uint16_t id)>& make) {
  const std::uint16_t id = random_id();
  return make_signed_request(key, clock, id, make(id));
}

Result<SignedRequest> make_signed_request(const std::shared_ptr<const TsigKey>& key, const Clock& clock,
                                          std::uint16_t id, Bytes message) {
  SignedRequest request{.id = id, .message = std::move(message)};
  if (key) {
    US_ASSIGN(request.mac, sign_request(request.message, *key, signature_time(clock)));
  }
  return request;
}

}  // namespace understudy
