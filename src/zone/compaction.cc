#include "zone/compaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <utility>

#include "base/out_of_memory.h"
#include "zone/denial.h"
#include "zone/mixed_ttls.h"

namespace understudy {
namespace {

constexpr std::size_t small_zone = std::size_t{64} << 10;   // built anew in microseconds; keeps no room for changes
constexpr std::size_t least_slack = std::size_t{64} << 10;  // behind a larger one that came from a small memory

/// Octets that nobody but versions before this one, if they are still there, would miss.
std::size_t free_octets(const Zone& version) {
  return version.shared() == nullptr ? 0 : version.shared()->arena().free();
}

/// The node is one of those that begin() puts in front of the others.
bool denies(const Zone& version, const Node& node) {
  return has_nsec(node) || (version.denial() == Zone::Denial::nsec3 && is_in_chain(node, version.nsec3_params()));
}

}  // namespace

bool is_sparse(const Zone& version) {
  const std::size_t free = free_octets(version);
  return free > least_free_to_compact && free > version.shared()->arena().used() / 2;
}

BuilderHints hints_for_copy(const Zone& version, std::uint64_t max_octets) {
  const std::size_t whole = version.memory_size(), octets = whole - std::min(whole, free_octets(version));
  BuilderHints hints{.nodes = version.node_count(), .octets = octets, .max_octets = max_octets};
  if (octets > small_zone) hints.slack = octets / 4 + least_slack;
  return hints;
}

Result<void> copy_rrset(ZoneBuilder& to, NameView owner, const RRsetView& rrset) {
  Result<void> result;
  const auto add = [&](RRType type, std::uint32_t ttl, ByteView rdata) {
    if (!result) return;
    if (auto added = to.add(owner, type, ttl, rdata); !added) result = std::unexpected(std::move(added).error());
  };
  StagedTtls ttls(rrset);
  rrset.for_each_rdata([&](ByteView rdata) { add(rrset.type(), ttls.next(), rdata); });
  rrset.for_each_signature([&](std::uint32_t own, ByteView rdata) { add(RRType::RRSIG, own, rdata); });
  return result;
}

Compaction::Compaction(std::shared_ptr<const Zone> version, std::uint64_t max_octets)
    : base_(std::move(version)), max_octets_(max_octets) {}

void Compaction::begin() {
  const Zone& base = *base_;
  builder_.emplace(base.apex(), hints_for_copy(base, max_octets_));
  base.nsec_names().for_each([&](const Node& node) { ordered_.push_back(base.ref_of(&node)); });
  base.nsec3_names().for_each([&](const Node& node) {
    if (!has_nsec(node)) ordered_.push_back(base.ref_of(&node));
  });
}

Result<bool> Compaction::work(std::size_t names) {
  if (made_) return true;
  try {
    if (!builder_) begin();
    US_ASSIGN(const bool is_copied, copy(names));
    if (!is_copied) return false;
    US_ASSIGN(const bool is_prepared, builder_->prepare(names));
    if (!is_prepared) return false;
    US_TRY(finish());
    return true;
  } catch (const std::bad_alloc&) {
    return out_of_memory("a version to be compacted", base_->memory_size());
  }
}

Result<bool> Compaction::copy(std::size_t names) {
  constexpr std::size_t ahead = 8;
  for (; at_ < ordered_.size() && names > 0; ++at_, --names) {
    if (at_ + ahead < ordered_.size()) __builtin_prefetch(base_->node_at(ordered_[at_ + ahead]));
    US_TRY(copy(*base_->node_at(ordered_[at_])));
  }
  const auto ask_for = [&](std::uint32_t index) {
    if (index >= base_->bucket_count()) return;
    const NodeBucket& bucket = base_->bucket(index);
    for (std::size_t i = 0; i < bucket.count; ++i) __builtin_prefetch(base_->node_at(bucket.refs[i]));
  };
  for (; at_ == ordered_.size() && bucket_ < base_->bucket_count() && names > 0; ++bucket_) {
    ask_for(bucket_ + 2);
    const NodeBucket& bucket = base_->bucket(bucket_);
    for (std::size_t i = 0; i < bucket.count; ++i) {
      const Node& node = *base_->node_at(bucket.refs[i]);
      if (!denies(*base_, node)) US_TRY(copy(node));
    }
    names -= std::min<std::size_t>(names, std::max<std::size_t>(bucket.count, 1));
  }
  return at_ == ordered_.size() && bucket_ == base_->bucket_count();
}

Result<void> Compaction::copy(const Node& node) {
  if (node.rrset_count == 0) return {};  // it comes with what is below it
  const Name owner = base_->owner_of(&node);
  for (std::size_t i = 0; i < node.rrset_count; ++i) {
    US_TRY(copy_rrset(*builder_, owner, RRsetView(&node, node.type_at(i), node.chunk_at(i), base_->apex())));
  }
  return {};
}

Result<void> Compaction::finish() {
  US_ASSIGN(const std::shared_ptr<const Zone> made, builder_->finish());
  const bool is_same = made->serial() == base_->serial() && made->record_count() == base_->record_count() &&
                       made->node_count() == base_->node_count();
  if (!is_same) {
    return fail(Errc::internal, fmt::format("serial {} with {} records of {} names became serial {} with {} of {}",
                                            base_->serial().value, base_->record_count(), base_->node_count(),
                                            made->serial().value, made->record_count(), made->node_count()));
  }
  made_ = made;
  builder_.reset();
  ordered_ = {};
  base_.reset();  // it need not stay any longer
  return {};
}

Result<void> Compaction::follow(std::span<const DeltaPtr> deltas) {
  const bool is_small = made_->shared() == nullptr;  // then all of it is nothing
  try {
    US_ASSIGN(const std::shared_ptr<const Zone> next,
              is_small ? apply_deltas(made_, deltas, max_octets_) : apply_in_place(made_, deltas, max_octets_));
    if (!next) return fail(Errc::byte_limit, "too much of the zone has changed meanwhile");
    made_ = next;
    return {};
  } catch (const std::bad_alloc&) {
    return out_of_memory("a compacted version and the differences that lead on from it", made_->memory_size());
  }
}

}  // namespace understudy
