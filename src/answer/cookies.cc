#include "answer/cookies.h"

#include <netinet/in.h>

#include <cstring>

namespace understudy {
namespace {

constexpr std::size_t hash_offset = client_cookie_size + 8;  // behind version, reserved and timestamp
constexpr std::uint8_t version = 1;
// RFC 9018 section 4.3.
constexpr std::int32_t oldest = 3600, newest = -300, renewed_after = 1800;

// The hash of a cookie whose first sixteen octets are at `cookie` (RFC 9018 section 4.4), as it stands in the cookie.
std::uint64_t hash_of(const SipKey& secret, const std::uint8_t* cookie, ByteView address) {
  std::uint8_t input[hash_offset + 16];
  std::memcpy(input, cookie, hash_offset);
  std::memcpy(input + hash_offset, address.data(), address.size());
  return siphash_2_4(secret, {input, hash_offset + address.size()});
}

void store_little(std::uint8_t* p, std::uint64_t v) {
  for (int i = 0; i < 8; ++i) p[i] = static_cast<std::uint8_t>(v >> 8 * i);
}

}  // namespace

ByteView cookie_address(const sockaddr* peer) {
  static constexpr std::uint8_t none[4] = {};
  if (peer == nullptr) return none;
  if (peer->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(peer);
    return {reinterpret_cast<const std::uint8_t*>(&v4->sin_addr), 4};
  }
  if (peer->sa_family != AF_INET6) return none;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(peer);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(&v6->sin6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return {octets + 12, 4};
  return {octets, 16};
}

CookieVerdict CookieSecrets::answer(ByteView option, ByteView address, std::uint32_t now, std::uint8_t* out) const {
  CookieVerdict verdict = CookieVerdict::client_only;
  if (option.size() > client_cookie_size) {
    verdict = CookieVerdict::bad;
    // Serial arithmetic (RFC 1982): right beyond the year 2106.
    const auto age = static_cast<std::int32_t>(now - load_u32(option.data() + client_cookie_size + 4));
    if (option.size() == whole_cookie_size && option[client_cookie_size] == version && age <= oldest && age >= newest) {
      const std::uint64_t theirs = detail::load_little(option.data() + hash_offset);
      for (std::size_t i = 0; i < secrets_.size(); ++i) {
        if (hash_of(secrets_[i], option.data(), address) != theirs) continue;
        verdict = CookieVerdict::good;
        if (i != 0 || age > renewed_after) break;
        std::memcpy(out, option.data(), whole_cookie_size);
        return verdict;
      }
    }
  }
  std::memcpy(out, option.data(), client_cookie_size);
  store_u32(out + client_cookie_size, std::uint32_t{version} << 24);
  store_u32(out + client_cookie_size + 4, now);
  store_little(out + hash_offset, hash_of(secrets_.front(), out, address));
  return verdict;
}

}  // namespace understudy
