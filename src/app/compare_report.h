// What `understudy compare` found, as text or as one JSON object (doc/manual/commands.md). Written as it comes, so that
// memory does not grow with the differences. Not thread-safe.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "base/result.h"
#include "control/comparison.h"
#include "control/question_sampler.h"

namespace understudy {

struct CompareSubject {
  std::string zone, here, there;          // the zone, and addresses
  std::string primary;                    // whose address `there` is; may be empty
  std::size_t chosen = 0;                 // questions to be asked
  std::optional<std::uint64_t> possible;  // out of which they were drawn
};

struct CompareOutcome {
  std::uint64_t asked = 0, same = 0, different = 0, ttl_only = 0, proof_apart = 0, unanswered = 0;
};

/// Of one side before and after all questions.
struct CompareSerials {
  std::uint32_t before = 0;
  Result<std::uint32_t> after = 0U;
};

class CompareReport {
 public:
  CompareReport(bool as_json, std::FILE* out) : as_json_(as_json), out_(out) {}

  void begin(const CompareSubject& subject, std::uint32_t serial_here, std::uint32_t serial_there);
  /// Where there is nothing to say, nothing is written.
  void add(const ComparedQuestion& question, const Comparison& found);
  void add_unanswered(const ComparedQuestion& question, const std::string& why);
  void end(const CompareOutcome& outcome, const CompareSerials& here, const CompareSerials& there);

 private:
  void add_json(const std::string& question);

  const bool as_json_;
  std::FILE* const out_;
  bool is_first_ = true;
};

}  // namespace understudy
