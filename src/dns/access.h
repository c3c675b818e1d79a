// Access rules: who may ask for a transfer or send a NOTIFY.
//
// A rule names a prefix, a TSIG key, or both; it matches a request that has everything it names. The request's key must
// be one whose signature was verified: an unsigned request and one with a wrong signature have none. Immutable values;
// matching allocates nothing and takes no lock.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "dns/name.h"

namespace understudy {

struct AccessRule {
  std::optional<Prefix> prefix;  // nullopt: any address
  std::optional<Name> key;       // nullopt: with or without a key

  /// "192.0.2.0/24", "key transfer.example.", or "192.0.2.0/24 key transfer.example.". Errc::bad_value otherwise.
  static Result<AccessRule> parse(std::string_view text);
  [[nodiscard]] bool matches(const IpAddress& from, std::optional<NameView> verified_key) const;
  /// The form that parse() reads.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const AccessRule&, const AccessRule&) = default;
};

/// One of the rules matches. No rule, no access.
[[nodiscard]] bool access_allowed(std::span<const AccessRule> rules, const IpAddress& from,
                                  std::optional<NameView> verified_key);

}  // namespace understudy
