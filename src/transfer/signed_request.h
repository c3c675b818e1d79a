// A query with a random id, signed if there is a key, and what is needed to check the answer's signature.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "dns/tsig.h"

namespace understudy {

struct SignedRequest {
  std::uint16_t id = 0;
  Bytes message;
  Bytes mac;  // empty if unsigned

  /// For one answer (or one transfer); nullopt if the request is unsigned. `key` is the one it was made with.
  [[nodiscard]] std::optional<TsigStream> fresh_stream(const std::shared_ptr<const TsigKey>& key) const;
};

/// The time that signatures carry: seconds since 1970 UTC.
std::uint64_t signature_time(const Clock& clock);

/// Signs a message that was built with this id. `key` may be null.
Result<SignedRequest> make_signed_request(const std::shared_ptr<const TsigKey>& key, const Clock& clock,
                                          std::uint16_t id, Bytes message);

/// `make` builds the unsigned message around an id drawn at random. `key` may be null.
Result<SignedRequest> make_signed_request(const std::shared_ptr<const TsigKey>& key, const Clock& clock,
                                          const std::function<Bytes(std::uint16_t id)>& make);

}  // namespace understudy
