// What the allocator keeps of memory that was given back to it. Thread-safe.
#pragma once

namespace understudy {

/// Lets the system have it, all at once: for when much was taken for a short time.
void release_unused_memory();

}  // namespace understudy
