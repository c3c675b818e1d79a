// Memory that ran out as the outcome of the work that needed it: for work whose size a peer, a file or a zone decides.
// What is small and the same for everybody ends the process instead (ARCHITECTURE.md). Thread-safe.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <new>
#include <string_view>

#include "base/result.h"

namespace understudy {

/// Errc::io, like everything else that the system refuses. `what` it was needed for, and how large that is, or became.
inline std::unexpected<Error> out_of_memory(std::string_view what, std::uint64_t octets) {
  try {
    return fail(Errc::io, fmt::format("out of memory: {} ({:.1f} MiB)", what, static_cast<double>(octets) / (1 << 20)));
  } catch (const std::bad_alloc&) {
    return fail(Errc::io, "out of memory");  // which needs none
  }
}

}  // namespace understudy
