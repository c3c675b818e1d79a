// A version that is written whole beside what is stored of its zone, while the zone goes on:
//
//   begin: the head as it is -> aside: the blocks, in a file that nothing refers to -> switch: the head names them, the
//   deltas since then are the chain, those before are history, and the old base goes
//
// A crash in between leaves the head as it was; the blocks that it does not name are deleted at the next start.
#include <fmt/format.h>
#include <rocksdb/write_batch.h>

#include <utility>

#include "base/log.h"
#include "store/deltas.h"
#include "store/state.h"
#include "store/version_codec.h"

namespace understudy {

namespace {

std::unexpected<Error> cannot_write(const rocksdb::Status& status) {
  return std::unexpected(to_error(status, "cannot write the zone"));
}

/// What has happened to the zone since then is that deltas were added, and history trimmed.
bool goes_on_from(const VersionHead& head, const VersionHead& before) {
  return head.base == before.base && head.large == before.large && head.history == before.history &&
         head.chain == before.chain && head.end >= before.end && head.chain_octets >= before.chain_octets;
}

}  // namespace

std::shared_ptr<ZoneRewrite> ZoneStore::begin_rewrite(const std::shared_ptr<const Zone>& version) const {
  auto rewrite = std::make_shared<ZoneRewrite>();
  const Result<void> begun = state_->with_database([&]() -> Result<void> {
    US_ASSIGN(auto head, state_->head_of(version->apex()));
    if (!head || head->serial != version->serial().value || head->history == 0) return fail(Errc::not_found, "");
    rewrite->version = version;
    rewrite->before = *std::move(head);
    rewrite->base.name = rewrite->before.name;
    rewrite->base.base = state_->next_version++;
    rewrite->opened_at = state_->reopened_at;
    return {};
  });
  return begun ? rewrite : nullptr;
}

Result<void> ZoneStore::State::write_aside(ZoneRewrite& rewrite) {
  VersionHead& base = rewrite.base;
  LargeWriter writer(*database, fmt::format("{}/{}.sst", incoming, base.base));
  base.large = true;
  base.octets = rewrite.version->memory_size();
  Bytes sealed;
  Bytes room;
  const auto put = [&](ByteView block) -> Result<void> {
    const std::string key = large_block_key(base.base, base.blocks);
    seal_block(base, key, block, sealed);
    const rocksdb::Status status = writer.add(key, sealed);
    return status.ok() ? Result<void>{} : cannot_write(status);
  };
  US_TRY(encode_version(rewrite.version, put, room));
  rewrite.version.reset();
  const rocksdb::Status status = writer.finish();
  if (!status.ok()) return cannot_write(status);
  rewrite.is_there = true;
  return {};
}

Result<void> ZoneStore::State::switch_to(ZoneRewrite& rewrite) {
  US_ASSIGN(const auto head, head_of(rewrite.base.name));
  if (!head || !rewrite.is_there || reopened_at != rewrite.opened_at || lost_zone(rewrite.base.name) ||
      !goes_on_from(*head, rewrite.before)) {
    return fail(Errc::cancelled, rewrite.base.name.text() + " has changed too much meanwhile");
  }
  VersionHead next = *head;
  next.base = rewrite.base.base;
  next.large = true;
  next.blocks = rewrite.base.blocks;
  next.digest = rewrite.base.digest;
  next.stored = rewrite.base.stored;
  next.octets = rewrite.base.octets;
  next.chain = rewrite.before.end;
  next.chain_octets -= rewrite.before.chain_octets;
  next.history_octets += rewrite.before.chain_octets;
  rocksdb::WriteBatch batch;
  trim_history(*database, next, next.chain, 0, batch);
  delete_blocks(batch, *head);
  const std::string key = head_key(next.name);
  batch.Put(key, slice_of(encode_head(key, next)));
  rewrite.is_there = false;  // a write that fails may be there all the same: only the next start can tell
  const rocksdb::Status status = database->write(batch, /*sync=*/true);
  if (!status.ok()) return cannot_write(status);
  US_TRY(in_place());
  if (head->large) drop_large({&head->base, 1});
  return {};
}

Result<void> ZoneStore::write_aside(ZoneRewrite& rewrite) {
  return state_->with_database([&] { return state_->write_aside(rewrite); });
}

Result<void> ZoneStore::switch_to(ZoneRewrite& rewrite) {
  Result<void> outcome = state_->with_database([&] { return state_->switch_to(rewrite); });
  if (!outcome) give_up(rewrite);
  return outcome;
}

void ZoneStore::give_up(ZoneRewrite& rewrite) {
  if (!std::exchange(rewrite.is_there, false)) return;
  static_cast<void>(state_->with_database([&]() -> Result<void> {
    if (state_->reopened_at == rewrite.opened_at) state_->drop_large({&rewrite.base.base, 1});
    return {};
  }));
}

}  // namespace understudy
