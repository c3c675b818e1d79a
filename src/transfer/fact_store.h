// Where small values are kept that must survive a restart: members of catalogs, zones added at run time.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace understudy {

struct KeptFact {
  std::string key;
  std::optional<Bytes> value;  // none: it is deleted
};

class FactStore {
 public:
  using Visitor = std::function<bool(std::string_view key, ByteView value)>;

  virtual ~FactStore() = default;
  /// All or none; a crash cannot undo it afterwards. May block on the disk.
  virtual Result<void> put(std::span<const KeptFact> facts) = 0;
  /// Every fact whose key begins with `prefix`, in order of keys, until `visit` returns false.
  virtual Result<void> visit(std::string_view prefix, const Visitor& visit) const = 0;
};

}  // namespace understudy
