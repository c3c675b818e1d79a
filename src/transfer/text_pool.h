// Texts that very many zones have in common, such as the name of their primary: each is kept once, for as long as the
// pool is there. For what comes from the configuration, of which there is little; never for what a peer says.
// Thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace understudy {

class TextPool {
 public:
  /// The one of these octets; never moves.
  const std::string* get(std::string_view text) US_EXCLUDES(mutex_);
  /// The empty one, of every pool.
  static const std::string* none();

 private:
  Mutex mutex_;
  std::set<std::string, std::less<>> texts_ US_GUARDED_BY(mutex_);
};

}  // namespace understudy
