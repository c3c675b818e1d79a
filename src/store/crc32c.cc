#include "store/crc32c.h"

#include <array>

namespace understudy {

namespace {

constexpr std::uint32_t reflected_polynomial = 0x82f6'3b78;

// Row k: the effect of an octet that stands k octets in front of the end of an eight-octet group.
using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1) != 0 ? reflected_polynomial : 0);
    tables[0][i] = c;
  }
  for (std::size_t row = 1; row < 8; ++row) {
    for (std::uint32_t i = 0; i < 256; ++i) {
      const std::uint32_t before = tables[row - 1][i];
      tables[row][i] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables tables = make_tables();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_instruction(std::uint32_t so_far, ByteView data) {
  std::uint64_t c = so_far ^ 0xffff'ffffU;
  const std::uint8_t* p = data.data();
  std::size_t n = data.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    c = __builtin_ia32_crc32di(c, word);
  }
  auto low = static_cast<std::uint32_t>(c);
  for (; n > 0; --n) low = __builtin_ia32_crc32qi(low, *p++);
  return low ^ 0xffff'ffffU;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::uint32_t so_far, ByteView data) {
  std::uint32_t c = so_far ^ 0xffff'ffffU;
  const std::uint8_t* p = data.data();
  std::size_t n = data.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < 4; ++i) next ^= tables[7 - i][p[i] ^ (c >> (8 * i) & 0xff)];
    for (std::size_t i = 4; i < 8; ++i) next ^= tables[7 - i][p[i]];
    c = next;
  }
  for (; n > 0; --n) c = (c >> 8) ^ tables[0][(c ^ *p++) & 0xff];
  return c ^ 0xffff'ffffU;
}

std::uint32_t crc32c(std::uint32_t so_far, ByteView data) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return crc32c_instruction(so_far, data);
#endif
  return crc32c_portable(so_far, data);
}

}  // namespace understudy
