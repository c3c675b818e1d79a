// What is written for commits, timers and removals. The order of a commit: blocks, then head and timers with a sync,
// then the promise in the ledger, then the acknowledgement; what the version before leaves in "large" is deleted last.
#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/log.h"
#include "store/crc32c.h"
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
  void put_block(const std::string& key, ByteView value) { batch_.Put(key, slice_of(value)); }

  /// Makes `head` the zone's; its blocks are in the database or in this group.
  void put_head(std::size_t index, const VersionHead& head) {
    // A head that cannot be read is replaced all the same; blocks of its version go with the next rescue.
    if (const auto before = state_.head_of(head.name); before && *before) {
      delete_version(batch_, **before);
      if ((*before)->large) replaced_.push_back((*before)->base);
    }
    const std::string key = head_key(head.name);
    batch_.Put(key, slice_of(encode_head(key, head)));
    const std::string timers = timers_key(head.name);
    batch_.Put(timers, slice_of(encode_timers(timers, head.timers)));
    members_.push_back(index);
    promises_.push_back({head.name, head.version, head.serial, false});
  }

  /// Hands what has gathered to the database without waiting for the disk.
  void flush() { write(/*sync=*/false); }

  /// Makes all of it durable and acknowledges it.
  void finish() {
    if (members_.empty()) return;
    write(/*sync=*/true);
    for (const std::size_t index : members_) outcomes_[index] = written_;
    if (!written_) return;
    for (const Promise& promise : promises_) state_.forget_lost(promise.zone);
    state_.promise(promises_, /*sync=*/false);
    for (const std::uint64_t version : replaced_) state_.drop_large(version);
  }

 private:
  void write(bool sync) {
    if (written_) {
      const rocksdb::Status status = state_.database->write(batch_, sync);
      if (!status.ok()) written_ = std::unexpected(to_error(status, "cannot write the zone"));
    }
    batch_.Clear();
  }

  ZoneStore::State& state_;
  const std::span<Result<void>> outcomes_;
  rocksdb::WriteBatch batch_;
  std::vector<std::size_t> members_;
  std::vector<Promise> promises_;
  std::vector<std::uint64_t> replaced_;  // large versions that nothing names any more
  Result<void> written_;
};

/// Writes the blocks of one version: into the group's batch, or into a file once there are too many.
class VersionWriter {
 public:
  VersionWriter(ZoneStore::State& state, const Commit& commit) : state_(state), commit_(commit) {
    const Zone& version = *commit.version;
    head_.name = Name(version.apex());
    head_.version = head_.base = state.next_version++;
    head_.serial = version.serial().value;
    head_.records = version.record_count();
    head_.nodes = version.node_count();
    head_.octets = version.memory_size();
    head_.timers = commit.timers;
    head_.source = commit.source;
  }

  Result<void> run(std::size_t index, Group& small_ones, std::span<Result<void>> outcomes) {
    US_TRY(encode_version(commit_.version, [this](ByteView block) { return take(block); }));
    if (large_ == nullptr) {
      for (const Bytes& block : held_) {
        const std::string key = block_key(head_.name, head_.base, head_.blocks);
        small_ones.put_block(key, sealed(key, block));
      }
      small_ones.put_head(index, head_);
      return {};
    }
    const rocksdb::Status status = large_->finish();
    if (!status.ok()) return failure(status);
    // A group of its own: the zones in the other one need not wait for this one's syncs, nor fail with it.
    Group alone(state_, outcomes);
    alone.put_head(index, head_);
    alone.finish();
    return outcomes[index];
  }

 private:
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
    sealed_.assign(block.begin(), block.end());
    seal(key, sealed_);
    head_.digest = crc32c(head_.digest, ByteView(sealed_).last(4));
    head_.stored += sealed_.size();
    ++head_.blocks;
    return sealed_;
  }

  static std::unexpected<Error> failure(const rocksdb::Status& status) {
    return std::unexpected(to_error(status, "cannot write the zone"));
  }

  ZoneStore::State& state_;
  const Commit& commit_;
  VersionHead head_;
  std::vector<Bytes> held_;  // blocks, as long as the version may turn out to be small
  std::size_t octets_ = 0;
  std::unique_ptr<LargeWriter> large_;
  Bytes sealed_;
};

}  // namespace

void ZoneStore::State::commit_all(std::span<const Commit> commits, std::span<Result<void>> outcomes) {
  Group small_ones(*this, outcomes);
  for (std::size_t i = 0; i < commits.size(); ++i) {
    if (small_ones.size() >= batch_limit) small_ones.flush();
    outcomes[i] = VersionWriter(*this, commits[i]).run(i, small_ones, outcomes);
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

Result<void> ZoneStore::State::remove(NameView zone) {
  const auto head = head_of(zone);
  if (head && !*head && !lost_zone(zone)) return {};
  // The promise first, and durably: a removal that was begun is finished at the next start, and a zone that was removed
  // is not missed there.
  promise(std::vector<Promise>{{Name(zone), next_version++, 0, true}}, /*sync=*/true);
  forget_lost(zone);
  rocksdb::WriteBatch batch;
  if (head && *head) {
    delete_version(batch, **head);
  } else {
    batch.Delete(head_key(zone));
    batch.Delete(timers_key(zone));
  }
  const rocksdb::Status status = database->write(batch, /*sync=*/true);
  if (!status.ok()) return std::unexpected(to_error(status, "cannot remove the zone"));
  if (head && *head && (*head)->large) drop_large((*head)->base);
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

void ZoneStore::State::drop_large(std::uint64_t version) {
  const rocksdb::Status status = database->drop_large(version);
  if (!status.ok()) {
    log_warning("{}: the blocks of a replaced version are deleted at the next start: {}", directory, status.ToString());
  }
}

bool wants_whole_version(const VersionHead& head) {
  const std::uint64_t chain = head.chain_octets + (head.end - head.chain) * delta_overhead;
  return chain > std::max(least_chain, head.stored / 2);
}

void delete_version(rocksdb::WriteBatch& batch, const VersionHead& head) {
  batch.Delete(head_key(head.name));
  batch.Delete(timers_key(head.name));
  for (std::uint32_t number = 0; !head.large && number < head.blocks; ++number) {
    batch.Delete(block_key(head.name, head.base, number));
  }
}

}  // namespace understudy
