#include "dns/nsec3.h"

#include <nettle/sha1.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace understudy {

bool Nsec3Params::is_same_chain(const Nsec3Params& other) const {
  return algorithm == other.algorithm && iterations == other.iterations && std::ranges::equal(salt, other.salt);
}

Nsec3Params nsec3_params(ByteView rdata) {
  return {rdata[0], rdata[1], load_u16(&rdata[2]), rdata.subspan(5, rdata[4])};
}

Nsec3Hash nsec3_hash(NameView name, const Nsec3Params& params) {
  const Name lowered = Name(name).lowered();
  sha1_ctx context;
  sha1_init(&context);
  Nsec3Hash hash;
  ByteView data = lowered.wire();
  for (unsigned i = 0; i <= params.iterations; ++i) {
    sha1_update(&context, data.size(), data.data());
    sha1_update(&context, params.salt.size(), params.salt.data());
    sha1_digest(&context, hash.size(), hash.data());
    data = hash;
  }
  return hash;
}

// The digits of ten bits are looked up together.
Nsec3Label nsec3_label(const Nsec3Hash& hash) {
  static constexpr auto digits = [] {
    constexpr char one[] = "0123456789abcdefghijklmnopqrstuv";
    std::array<std::uint16_t, 1024> two{};
    for (std::size_t i = 0; i < two.size(); ++i) two[i] = static_cast<std::uint16_t>(one[i >> 5] | one[i & 31] << 8);
    return two;
  }();
  static_assert(std::endian::native == std::endian::little);
  Nsec3Label label;
  for (std::size_t group = 0; group < hash.size() / 5; ++group) {  // five octets are eight digits
    const std::uint8_t* from = &hash[group * 5];
    const std::uint64_t bits = std::uint64_t{load_u32(from)} << 8 | from[4];
    const std::uint64_t eight = std::uint64_t{digits[bits >> 30]} | std::uint64_t{digits[bits >> 20 & 1023]} << 16 |
                                std::uint64_t{digits[bits >> 10 & 1023]} << 32 |
                                std::uint64_t{digits[bits & 1023]} << 48;
    std::memcpy(&label[group * 8], &eight, sizeof eight);
  }
  return label;
}

}  // namespace understudy
