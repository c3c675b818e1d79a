// Lets a test have memory run out: as long as a LargestAllocation lives, operator new fails for more octets at once, in
// every thread. So what grows with its input fails, and what is small does not. Where the two are not told apart by
// their size there is nothing here for them.
//
// Replaces operator new of the program: to be included by one file of it. With sanitizers, which have their own,
// `works` is false.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace understudy {

class LargestAllocation {
 public:
  explicit LargestAllocation(std::size_t octets) { most() = octets; }
  ~LargestAllocation() { most() = ~std::size_t{0}; }
  LargestAllocation(const LargestAllocation&) = delete;
  LargestAllocation& operator=(const LargestAllocation&) = delete;

  static std::atomic<std::size_t>& most() {
    static std::atomic<std::size_t> octets{~std::size_t{0}};
    return octets;
  }
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDERSTUDY_HAS_OTHER_NEW
#endif
#endif
#ifdef UNDERSTUDY_HAS_OTHER_NEW
  static constexpr bool works = false;
#else
  static constexpr bool works = true;
#endif
};

}  // namespace understudy

#ifndef UNDERSTUDY_HAS_OTHER_NEW
void* operator new(std::size_t size) {
  void* const memory = size > understudy::LargestAllocation::most() ? nullptr : std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif
