// What compare judges: two responses from anywhere, each judged and both compared. No input may crash it or take it
// long; a response has no difference to itself, and of two each side sees as many as the other. The first two octets of
// an input are the size of the first message, the rest is the second.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "control/comparison.h"
#include "control/proof_check.h"
#include "dns/message.h"

using understudy::ByteReader;
using understudy::ByteView;
using understudy::Comparison;
using understudy::Difference;
using understudy::MessageView;
using understudy::ProofVerdict;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void judge(const MessageView& message) {
  const ProofVerdict verdict = understudy::check_proof(message);
  require((verdict.kind == ProofVerdict::Kind::proves) == verdict.why.empty());
  const Comparison same = understudy::compare_responses(message, message);
  require(same.differences.empty() && same.proofs.empty());
}

/// What is shown to people is a line each.
bool are_lines(const std::vector<Difference>& differences) {
  return std::ranges::all_of(differences, [](const Difference& difference) {
    const std::string text = difference.text();
    return !text.empty() && text.find('\n') == std::string::npos;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader input(ByteView(data, size));
  const std::size_t first = input.u16();
  const ByteView rest = input.rest();
  const auto one = MessageView::parse(rest.first(std::min(first, rest.size())));
  const auto other = MessageView::parse(rest.subspan(std::min(first, rest.size())));
  if (one) judge(*one);
  if (other) judge(*other);
  if (!one || !other) return 0;
  const Comparison here = understudy::compare_responses(*one, *other);
  const Comparison there = understudy::compare_responses(*other, *one);
  require(here.differences.size() == there.differences.size() && here.proofs.size() == there.proofs.size());
  require(here.ttl_only() == there.ttl_only());
  require(are_lines(here.differences) && are_lines(here.proofs));
  return 0;
}
