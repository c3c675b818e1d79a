#include "transfer/text_pool.h"

namespace understudy {

const std::string* TextPool::get(std::string_view text) {
  if (text.empty()) return none();
  Lock lock(mutex_);
  const auto known = texts_.find(text);
  return known != texts_.end() ? &*known : &*texts_.emplace(text).first;
}

const std::string* TextPool::none() {
  static const std::string empty;
  return &empty;
}

}  // namespace understudy
