// What is written for commits, timers and removals. The order of a commit: blocks or deltas, then head and timers with
// a sync, then the promise in the ledger, then the acknowledgement; what the version before leaves in "large" is
// deleted last.
#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "store/crc32c.h"
#include "store/deltas.h"
#include "store/state.h"
#include "store/version_codec.h"

namespace understudy {

namespace {

// Up to here a version is written within a batch, through log and memtable; above, as a file of its own, which costs a
// few more syncs but writes the data once and never again.
constexpr std::size_t small_limit = 512 * 1024;
// Octets of one batch; also what many small commits may hold in memory.
constexpr std::size_t batch_limit = 1024 * 1024;

// A chain that is longer than this, and than half of the base, costs more to keep and to load than a new base.
constexpr std::uint64_t least_chain = 16 * 1024;
constexpr std::uint64_t delta_overhead = 64;  // about what a delta takes beside its octets

/// Commits that become durable, and are acknowledged, together.
class Group {
 public:
  Group(ZoneStore::State& state, std::span<Result<void>> outcomes) : state_(state), outcomes_(outcomes) {}

  [[nodiscard]] std::size_t size() const { return batch_.GetDataSize(); }
  [[nodiscard]] rocksdb::WriteBatch& batch() { return batch_; }
  /// For encode_version().
  [[nodiscard]] Bytes& room() { return room_; }
  void put(const std::string& key, ByteView value) { batch_.Put(key, slice_of(value)); }

  /// Makes `head` the zone's; its blocks and deltas are in the database or in this group.
  void put_head(std::size_t index, const VersionHead& head) {
    std::string key = head_key(head.name);
    Bytes value = encode_head(key, head);
    heads_.emplace_back(std::move(key), std::move(value));
    key = timers_key(head.name);
    value = encode_timers(key, head.timers);
    timers_.emplace_back(std::move(key), std::move(value));
    members_.push_back(index);
    promises_.push_back({head.name, head.version, head.serial, false});
  }

  /// Deletes the blocks of a base that is replaced.
  void drop_base(const VersionHead& before) {
    delete_blocks(batch_, before);
    if (before.large) replaced_.push_back(before.base);
  }

  /// Hands what has gathered to the database without waiting for the disk.
  void flush() { write(/*sync=*/false); }

  /// Makes all of it durable and acknowledges it.
  void finish() {
    if (members_.empty()) return;
    write(/*sync=*/true);
    if (written_) written_ = state_.in_place();
    for (const std::size_t index : members_) outcomes_[index] = written_;
    if (!written_) return;
    for (const Promise& promise : promises_) state_.forget_lost(promise.zone);
    state_.promise(promises_, /*sync=*/false);
    state_.drop_large(replaced_);
  }

 private:
  void write(bool sync) {
    // One kind after the other, as the commits are in the order of their keys: so the database takes them for a
    // fraction of the cost of any other order.
    for (auto* values : {&heads_, &timers_}) {
      for (const auto& [key, value] : *values) put(key, value);
      values->clear();
    }
    if (written_) {
      const rocksdb::Status status = state_.database->write(batch_, sync);
      if (!status.ok()) written_ = std::unexpected(to_error(status, "cannot write the zone"));
    }
    batch_.Clear();
  }

  ZoneStore::State& state_;
  const std::span<Result<void>> outcomes_;
  rocksdb::WriteBatch batch_;
  Bytes room_;
  std::vector<std::pair<std::string, Bytes>> heads_, timers_;  // of commits whose other data is in batch_
  std::vector<std::size_t> members_;
  std::vector<Promise> promises_;
  std::vector<std::uint64_t> replaced_;  // large versions that nothing names any more
  Result<void> written_;
};

/// The first of `deltas` that may be kept as history, which ends with the last of them.
std::size_t first_kept(std::span<const DeltaPtr> deltas, HistoryLimits keep) {
  std::uint64_t octets = 0;
  std::size_t first = deltas.size();
  while (first > 0 && deltas.size() - first < keep.versions) {
    octets += deltas[first - 1]->size();
    if (octets > keep.octets) break;
    --first;
  }
  return first;
}

/// Writes one commit: as deltas behind the stored base, or the blocks of a new base into the group's batch, or into a
/// file once there are too many.
class CommitWriter {
 public:
  CommitWriter(ZoneStore::State& state, const Commit& commit)
      : state_(state), commit_(commit), version_(state.next_version++) {
    // A head that cannot be read is replaced all the same; blocks and deltas of its version go with the next rescue.
    if (auto before = state.head_of(commit.version->apex())) before_ = *std::move(before);
  }

  Result<void> run(std::size_t index, Group& small_ones, std::span<Result<void>> outcomes) {
    if (deltas_are_enough()) {
      write_deltas(index, small_ones);
      return {};
    }
    start_head({});
    head_.base = version_;
    head_.octets = commit_.version->memory_size();
    US_TRY(encode_version(commit_.version, [this](ByteView block) { return take(block); }, small_ones.room()));
    if (large_ == nullptr) {
      for (const Bytes& block : held_) {
        const std::string key = block_key(head_.name, head_.base, head_.blocks);
        small_ones.put(key, sealed(key, block));
      }
      finish_base(index, small_ones);
      return {};
    }
    const rocksdb::Status status = large_->finish();
    if (!status.ok()) return failure(status);
    // A group of its own: the zones in the other one need not wait for this one's syncs, nor fail with it.
    Group alone(state_, outcomes);
    finish_base(index, alone);
    alone.finish();
    return outcomes[index];
  }

 private:
  [[nodiscard]] bool follows_stored() const {
    return before_ && !commit_.deltas.empty() && commit_.deltas.front()->from().value == before_->serial &&
           lead_to(commit_.deltas, commit_.version->serial()) && !state_.lost_zone(before_->name);
  }

  [[nodiscard]] bool deltas_are_enough() const {
    return !commit_.whole && follows_stored() &&
           octets_of(commit_.deltas) <= std::max(least_chain, before_->stored / 2);
  }

  /// What is known without looking at the version's records.
  void start_head(VersionHead from) {
    const Zone& version = *commit_.version;
    head_ = std::move(from);
    head_.name = Name(version.apex());
    head_.version = version_;
    head_.serial = version.serial().value;
    head_.records = version.record_count();
    head_.nodes = version.node_count();
    head_.timers = commit_.timers;
    head_.source = commit_.source;
    head_.keep = commit_.keep;
  }

  void write_deltas(std::size_t index, Group& group) {
    start_head(*before_);
    if (head_.history == 0) begin_history();
    append_deltas(head_, commit_.deltas, [&](const std::string& key, ByteView value) { group.put(key, value); });
    head_.chain_octets += octets_of(commit_.deltas);
    trim_history(*state_.database, head_, head_.chain, 0, group.batch());
    group.put_head(index, head_);
  }

  void begin_history() {
    head_.history = version_;
    head_.first = head_.chain = head_.end = 0;
    head_.history_octets = head_.chain_octets = 0;
    head_.link = 0;
  }

  /// The base is written: what led to it becomes history.
  void finish_base(std::size_t index, Group& group) {
    std::span<const DeltaPtr> deltas = commit_.deltas;
    if (!lead_to(deltas, commit_.version->serial())) deltas = {};
    const std::size_t first = first_kept(deltas, commit_.keep);
    const bool goes_on = follows_stored() && first == 0;
    if (goes_on && before_->history != 0) {
      continue_history();
    } else {
      if (before_) delete_deltas(*state_.database, *before_, group.batch());
      if (first < deltas.size()) begin_history();
    }
    deltas = deltas.subspan(first);
    const std::uint64_t stored_end = head_.end;
    append_deltas(head_, deltas, [&](const std::string& key, ByteView value) { group.put(key, value); });
    const std::uint64_t added = octets_of(deltas);
    head_.chain = head_.end;
    head_.history_octets += added;
    trim_history(*state_.database, head_, stored_end, added, group.batch());
    if (before_) group.drop_base(*before_);
    group.put_head(index, head_);
  }

  void continue_history() {
    head_.history = before_->history;
    head_.first = before_->first;
    head_.end = before_->end;
    head_.link = before_->link;
    head_.history_octets = before_->history_octets + before_->chain_octets;
  }

  Result<void> take(ByteView block) {
    if (large_ != nullptr) return put_large(block);
    octets_ += block.size();
    held_.emplace_back(block.begin(), block.end());
    if (octets_ <= small_limit) return {};
    head_.large = true;
    large_ = std::make_unique<LargeWriter>(*state_.database, fmt::format("{}/{}.sst", state_.incoming, head_.base));
    for (const Bytes& held : held_) US_TRY(put_large(held));
    held_ = {};
    return {};
  }

  Result<void> put_large(ByteView block) {
    const std::string key = large_block_key(head_.base, head_.blocks);
    const rocksdb::Status status = large_->add(key, sealed(key, block));
    return status.ok() ? Result<void>{} : failure(status);
  }

  ByteView sealed(const std::string& key, ByteView block) {
    seal_block(head_, key, block, sealed_);
    return sealed_;
  }

  static std::unexpected<Error> failure(const rocksdb::Status& status) {
    return std::unexpected(to_error(status, "cannot write the zone"));
  }

  ZoneStore::State& state_;
  const Commit& commit_;
  const std::uint64_t version_;
  std::optional<VersionHead> before_;
  VersionHead head_;
  std::vector<Bytes> held_;  // blocks, as long as the base may turn out to be small
  std::size_t octets_ = 0;
  std::unique_ptr<LargeWriter> large_;
  Bytes sealed_;
};

std::vector<std::size_t> in_order_of_keys(std::span<const Commit> commits) {
  std::vector<std::pair<std::string, std::size_t>> keys;
  keys.reserve(commits.size());
  for (std::size_t i = 0; i < commits.size(); ++i) keys.emplace_back(head_key(commits[i].version->apex()), i);
  std::ranges::sort(keys);
  std::vector<std::size_t> order;
  order.reserve(keys.size());
  for (const auto& [key, i] : keys) order.push_back(i);
  return order;
}

}  // namespace

void ZoneStore::State::commit_all(std::span<const Commit> commits, std::span<Result<void>> outcomes) {
  Group small_ones(*this, outcomes);
  for (const std::size_t i : in_order_of_keys(commits)) {
    if (small_ones.size() >= batch_limit) small_ones.flush();
    outcomes[i] = CommitWriter(*this, commits[i]).run(i, small_ones, outcomes);
  }
  small_ones.finish();
}

Result<void> ZoneStore::State::save_timers(NameView zone, const ZoneTimers& timers, bool durable) {
  US_ASSIGN(const auto head, head_of(zone));
  if (!head || lost_zone(zone)) return fail(Errc::not_found, "no version of " + zone.text() + " is stored");
  rocksdb::WriteBatch batch;
  const std::string key = timers_key(zone);
  batch.Put(key, slice_of(encode_timers(key, timers)));
  const rocksdb::Status status = database->write(batch, durable);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot write the timers"));
  return {};
}

Result<void> ZoneStore::State::save_timers(std::span<const TimersOf> zones, std::vector<std::size_t>& missing) {
  missing.clear();
  // To look for each head would cost several times what is written. What was stored once is there, unless the database
  // was replaced since.
  const bool may_miss = reopened_at != 0 || moved_at != 0;
  std::vector<std::pair<std::string, Bytes>> values;
  values.reserve(zones.size());
  for (std::size_t i = 0; i < zones.size(); ++i) {
    if (may_miss) {
      const auto head = head_of(zones[i].zone);  // a damaged one is missing too: it is written anew
      if (!head || !*head || lost_zone(zones[i].zone)) {
        missing.push_back(i);
        continue;
      }
    }
    std::string key = timers_key(zones[i].zone);
    Bytes value = encode_timers(key, zones[i].timers);
    values.emplace_back(std::move(key), std::move(value));
  }
  std::ranges::sort(values);
  rocksdb::WriteBatch batch;
  for (const auto& [key, value] : values) batch.Put(key, slice_of(value));
  const rocksdb::Status status = database->write(batch, /*sync=*/false);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot write the timers"));
  return {};
}

Result<void> ZoneStore::State::remove(std::span<const Name> zones) {
  std::vector<std::pair<NameView, Result<std::optional<VersionHead>>>> found;
  std::vector<Promise> promises;
  for (const Name& zone : zones) {
    auto head = head_of(zone);
    if (head && !*head && !lost_zone(zone)) continue;
    promises.push_back({zone, next_version++, 0, true});
    found.emplace_back(zone, std::move(head));
  }
  if (found.empty()) return {};
  // The promises first, and durably: a removal that was begun is finished at the next start, and a zone that was
  // removed is not missed there.
  promise(promises, /*sync=*/true);
  rocksdb::WriteBatch batch;
  std::vector<std::uint64_t> large;
  rocksdb::Status status;
  for (const auto& [zone, head] : found) {
    forget_lost(zone);
    if (head && *head) {
      delete_version(*database, **head, batch);
      if ((*head)->large) large.push_back((*head)->base);
    } else {
      batch.Delete(head_key(zone));
      batch.Delete(timers_key(zone));
    }
    if (!status.ok() || batch.GetDataSize() < batch_limit) continue;
    status = database->write(batch, /*sync=*/false);
    batch.Clear();
  }
  if (status.ok()) status = database->write(batch, /*sync=*/true);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot remove the zone"));
  drop_large(large);
  return {};
}

Result<std::optional<VersionHead>> ZoneStore::State::head_of(NameView zone) const {
  const std::string key = head_key(zone);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = database->get(key, value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return std::unexpected(to_error(status, "cannot read the zone"));
  US_ASSIGN(VersionHead head, decode_head(key, text_of(value)));
  return head;
}

void ZoneStore::State::promise(std::span<const Promise> promises, bool sync) {
  // The commit itself is durable, so it is acknowledged also if the second witness cannot be written (a full disk).
  if (auto appended = ledger.append(promises, sync); !appended) {
    log_warning("{}: {}; commits are durable, but damage to the database could go unnoticed", directory,
                appended.error().text());
  }
}

void ZoneStore::State::drop_large(std::span<const std::uint64_t> versions) {
  const rocksdb::Status status = database->drop_large(versions);
  if (!status.ok()) {
    log_warning("{}: the blocks of versions that are not used any more are deleted at the next start: {}", directory,
                status.ToString());
  }
}

void seal_block(VersionHead& head, const std::string& key, ByteView block, Bytes& out) {
  out.assign(block.begin(), block.end());
  seal(key, out);
  head.digest = crc32c(head.digest, ByteView(out).last(4));
  head.stored += out.size();
  ++head.blocks;
}

bool wants_whole_version(const VersionHead& head) {
  const std::uint64_t chain = head.chain_octets + (head.end - head.chain) * delta_overhead;
  return chain > std::max(least_chain, head.stored / 2);
}

void delete_blocks(rocksdb::WriteBatch& batch, const VersionHead& head) {
  for (std::uint32_t number = 0; !head.large && number < head.blocks; ++number) {
    batch.Delete(block_key(head.name, head.base, number));
  }
}

void delete_version(const Database& database, const VersionHead& head, rocksdb::WriteBatch& batch) {
  batch.Delete(head_key(head.name));
  batch.Delete(timers_key(head.name));
  delete_blocks(batch, head);
  delete_deltas(database, head, batch);
}

}  // namespace understudy
