// A process that has no file descriptor left.
#pragma once

#include <sys/resource.h>
#include <unistd.h>

#include "net/sockets.h"

namespace understudy {

/// While it lives no further file can be opened.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(UniqueFd(dup(0)).get());  // the lowest that is free
    setrlimit(RLIMIT_NOFILE, &none);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace understudy
