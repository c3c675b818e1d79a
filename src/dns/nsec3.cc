#include "dns/nsec3.h"

#include <nettle/sha1.h>

#include <algorithm>

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

// Eight digits of five bits each from every five octets.
Nsec3Label nsec3_label(const Nsec3Hash& hash) {
  constexpr char digits[] = "0123456789abcdefghijklmnopqrstuv";
  Nsec3Label label;
  for (std::size_t group = 0; group < hash.size() / 5; ++group) {
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < 5; ++i) bits = bits << 8 | hash[group * 5 + i];
    for (std::size_t i = 0; i < 8; ++i) {
      label[group * 8 + i] = static_cast<std::uint8_t>(digits[bits >> (35 - 5 * i) & 31]);
    }
  }
  return label;
}

}  // namespace understudy
