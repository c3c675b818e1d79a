// How it is said that a stored version cannot be read. Stateless.
#pragma once

#include <fmt/format.h>

#include <string>

#include "base/result.h"
#include "store/database.h"
#include "store/format.h"

namespace understudy {

inline std::unexpected<Error> not_as_stored(const VersionHead& head, const std::string& how) {
  return fail(Errc::corrupt,
              fmt::format("the stored version of {} with serial {}: {}", head.name.text(), head.serial, how));
}

/// An outcome of building: what does not fit is damage, memory that ran out is not.
template <typename T>
Result<T> as_stored(const VersionHead& head, Result<T> outcome) {
  if (outcome || outcome.error().code == Errc::io) return outcome;
  return not_as_stored(head, outcome.error().text());
}

/// Whatever the database's reason, the rows are not to be had: only a lack of memory or files may pass.
inline std::unexpected<Error> unreadable(const VersionHead& head, const rocksdb::Status& status) {
  if (is_passing(status)) return std::unexpected(to_error(status, "cannot read " + head.name.text()));
  return not_as_stored(head, status.ToString());
}

}  // namespace understudy
