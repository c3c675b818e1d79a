#include "zone/hash.h"

#include <random>

namespace understudy {
namespace {

HashKey draw_key() {
  std::random_device device;  // getrandom(2)
  const auto draw = [&] { return static_cast<std::uint64_t>(device()) << 32 | device(); };
  return {draw(), draw() | 1};
}

}  // namespace

const HashKey process_hash_key = draw_key();

}  // namespace understudy
