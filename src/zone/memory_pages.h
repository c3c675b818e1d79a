// On what pages the zones lie. A lookup in a large zone misses the processor's table of pages less often when these are
// of 2 MiB, which the system gives where it is asked to (zone/layout.cc asks).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace understudy {

/// The system's choice for memory that asks for pages of 2 MiB: "always", "madvise" (it gives them), "never", or empty
/// if it does not say. `text` is the content of /sys/kernel/mm/transparent_hugepage/enabled: "always [madvise] never".
std::string huge_page_mode(std::string_view text);
/// The same of this system.
std::string huge_page_mode();

/// Octets of this process that lie on pages of 2 MiB; 0 if the system does not say. The system walks the process's
/// pages for that: some milliseconds for a gigabyte on small ones.
std::uint64_t huge_page_octets();

}  // namespace understudy
