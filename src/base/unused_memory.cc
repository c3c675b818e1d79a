#include "base/unused_memory.h"

#include <malloc.h>

#include <cstddef>

// jemalloc's, in programs that are linked with it: its own header would take the place of malloc() in all others too.
extern "C" [[gnu::weak]] int mallctl(const char* name, void* old_value, std::size_t* old_size, void* new_value,
                                     std::size_t new_size);

namespace understudy {

void release_unused_memory() {
  if (mallctl != nullptr) {
    (void)mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096: of all arenas (MALLCTL_ARENAS_ALL)
  } else {
    ::malloc_trim(0);
  }
}

}  // namespace understudy
