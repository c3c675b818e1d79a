// Work of an agent from the decision to take something to its commit.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>
#include <new>
#include <utility>

#include "base/log.h"
#include "base/out_of_memory.h"
#include "transfer/primary_check.h"
#include "transfer/zone_work.h"
#include "zone/zone_digest.h"

namespace understudy {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// Versions that may be on their way to the disk without holding a permit, so that a slow disk bounds the memory.
constexpr unsigned max_commits_ahead = 512;
constexpr std::uint64_t max_octets_ahead = std::uint64_t{256} << 20;  // of these together

// A transfer may take this long while another primary could be asked and no version would expire meanwhile.
constexpr double longest_without_version = 3600;
// So long it may take in any case, or until the version expires.
constexpr double least_longest = 30;
// A primary is not asked about a zone's differences for so long after it refused them, or they did not come as they
// should, and it sent the whole zone instead; seconds.
constexpr double pause_after_refusal = 600;
constexpr double pause_after_failure = 60;

/// After a transfer that failed.
void give_back(Lanes::Permit& permit, Errc code) {
  if (code == Errc::io || code == Errc::cancelled) {
    permit.give_back_unused();
  } else if (code == Errc::timed_out || code == Errc::stalled || code == Errc::too_slow) {
    permit.give_back_in_vain();
  } else {
    permit.release();
  }
}

/// How long a transfer may take if there is another primary to ask: half of what is left until the version expires, so
/// that the other has the rest. Seconds.
milliseconds longest_transfer(std::optional<double> left) {
  double longest = longest_without_version;
  if (left) longest = std::max(*left / 2, std::min(*left, least_longest));
  return std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(std::max(longest, 1.0)));
}

}  // namespace

// Differences or all.

/// The version that we hold came from this primary, whichever of its addresses was asked.
bool ZoneAgent::is_origin(const PeerSettings& peer) const {
  return std::ranges::any_of(policy_->primaries, [&](const PeerSettings& each) {
    return each.name == peer.name && each.address.text() == *origin_;
  });
}

/// Differences of one primary fit data of another only if both are known to be the same: a digest can show it, once it
/// has been computed of what we hold.
bool ZoneAgent::may_take_differences(const PeerSettings& peer) const {
  const auto held = version();
  if (!held || !peer.ixfr || !(is_origin(peer) || is_shown_by_digest(*held))) return false;
  return !rests_from_differences(peer) && core_.traits.sends_differences(peer.address, core_.mono());
}

bool ZoneAgent::is_shown_by_digest(const Zone& held) const {
  const CheckedDigest* checked = seldom().checked_digest.get();
  return checked != nullptr && checked->version == held.id() && !checked->shown.empty();
}

/// The first difference takes away the digest of the version that it begins with, and it is that of what we hold.
bool ZoneAgent::proves_its_start(const Zone& held, std::span<const DeltaPtr> deltas) const {
  bool proven = false;
  if (!is_shown_by_digest(held)) return proven;
  deltas.front()->for_each_removed([&](const DeltaRecord& record) {
    proven = record.type == RRType::ZONEMD && record.owner == held.apex() &&
             std::ranges::any_of(seldom().checked_digest->shown,
                                 [&](const Bytes& shown) { return std::ranges::equal(shown, record.rdata); });
    return !proven;
  });
  return proven;
}

/// True: the digest of what we hold decides about asking for differences, and is being computed, once for a version;
/// the work goes on afterwards.
bool ZoneAgent::check_digest(const WorkPtr& work) {
  const PeerSettings& peer = work->asked();
  const auto held = version();
  const bool would_help = held && peer.ixfr && !is_origin(peer) && !rests_from_differences(peer) &&
                          core_.traits.sends_differences(peer.address, core_.mono());
  const CheckedDigest* checked = seldom().checked_digest.get();
  const bool is_known = checked != nullptr && held && checked->version == held->id();
  if (!would_help || is_known || !claims_digest(*held)) return false;
  auto found = std::make_shared<CheckedDigest>(CheckedDigest{held->id(), {}});
  auto done = std::make_shared<bool>(false);
  core_.run_job(
      core_.loads, JobPool::Urgency::urgent,
      [held, found, done] {
        try {
          found->shown = shown_digests(*held);
          *done = true;
        } catch (const std::bad_alloc&) {
          log_warning("zone {}: the digest of serial {} was not computed: {}; the whole zone is asked for instead",
                      held->apex().text(), held->serial().value,
                      out_of_memory("the version", held->memory_size()).error().text());
        }
      },
      [this, self = shared_from_this(), work, held, found, done] {
        change_seldom().checked_digest = std::make_unique<const CheckedDigest>(*found);
        if (*done && found->shown.empty()) {
          log_warning(
              "zone {}: the ZONEMD of serial {} from {} is not the digest of what came: no differences of another "
              "primary are taken, but the whole zone; compare the zone with what its signer made, and check who "
              "changes it on the way or makes its ZONEMD",
              name().text(), held->serial().value, *origin_);
        }
        if (work_ == work) go_on_with_transfer(work);
      });
  return true;
}

bool ZoneAgent::rests_from_differences(const PeerSettings& peer) const {
  const auto& pauses = seldom().no_differences_until;
  const auto found = std::ranges::find(pauses, peer.address, &std::pair<Endpoint, double>::first);
  return found != pauses.end() && core_.mono() < found->second;
}

void ZoneAgent::queue_transfer(const WorkPtr& work) {
  set_activity(ZoneActivity::queued);
  const bool wants_all = work->whole || work->goes_back || work->differences_failed(work->asked());
  if (!wants_all && check_digest(work)) return;
  work->asks_differences = !wants_all && may_take_differences(work->asked());
  work->request =
      core_.transfers.enqueue(work->asked().address, work->urgent ? Lanes::Priority::urgent : Lanes::Priority::normal,
                              [this, self = shared_from_this(), work](Lanes::Permit permit) {
                                asio::post(core_.io, [this, self, work, granted = std::move(permit)]() mutable {
                                  if (work_ == work) {
                                    start_transfer(work, std::move(granted));
                                  } else {
                                    granted.give_back_unused();
                                  }
                                });
                              });
}

void ZoneAgent::start_transfer(const WorkPtr& work, Lanes::Permit permit) {
  if (work->cancelled) {
    permit.give_back_unused();
    ask_next(work);
    return;
  }
  if (!work->attempt) begin_attempt(*work, work->asked());
  if (leave_transfer_to_rest(*work)) {  // while it waited for its turn
    permit.give_back_unused();
    ask_next(work);
    return;
  }
  set_activity(ZoneActivity::transferring);
  work->probe_began = core_.mono();
  core_.health.begin(work->attempt->peer.address, PrimaryHealth::Kind::transfer, core_.mono());
  work->cancel = spawn(core_.io, transfer(shared_from_this(), work, std::move(permit)));
}

TakeOptions ZoneAgent::take_options(const Work& work) const {
  const EngineSettings& settings = core_.settings;
  TakeOptions options{.limits = work.policy->limits,
                      .stall = settings.stall_timeout,
                      .min_rate = settings.min_rate,
                      .longest = settings.max_time};
  // If there is another primary, one that answered the probe and hangs now costs as little as one that hangs at once:
  // half of what is left is for the differences, the rest for the whole zone.
  const bool is_last = work.asks_last();
  const milliseconds left = time_left(settings.probe_timeout, work.attempt->waited);
  const milliseconds share = work.asks_differences ? left / 2 : left;
  options.first_wait = is_last ? settings.stall_timeout : std::min(share, settings.stall_timeout);
  if (!is_last) {
    const std::optional<double> expires = schedule_.expires();
    options.longest =
        std::min(settings.max_time, longest_transfer(expires ? std::optional(*expires - core_.mono()) : std::nullopt));
  }
  if (const auto held = version()) options.hints = {.nodes = held->node_count(), .octets = held->memory_size()};
  return options;
}

asio::awaitable<void> ZoneAgent::transfer(std::shared_ptr<ZoneAgent> self, WorkPtr work, Lanes::Permit permit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  EngineCore& core = self->core_;
  bool makes_way = false;
  const auto give_up = [&makes_way, work] {
    makes_way = true;
    understudy::cancel(work->cancel);
  };
  std::optional<IdleLenders::Lender> lender(std::in_place, core.lenders, permit, work->attempt->counts, give_up);
  Result<Taken> taken = fail(Errc::internal, "nothing was asked");
  if (work->asks_differences) {
    taken = co_await take_differences(core.primaries(), *work->attempt, self->take_options(*work));
    if (!taken && !work->cancelled && !makes_way) {
      lender.reset();
      if (!work->attempt->announced) {
        self->ask_serial_first(work, std::move(permit), taken.error());
        co_return;
      }
      self->differences_failed(*work, taken.error());
      lender.emplace(core.lenders, permit, work->attempt->counts, give_up);
    }
  }
  if (!work->asks_differences && !work->cancelled && !makes_way) {
    taken = co_await take_zone(core.primaries(), *work->attempt, self->take_options(*work));
  }
  lender.reset();
  if (taken) permit.take_back();
  if (!taken && makes_way && !work->cancelled) {
    taken = fail(Errc::stalled, fmt::format("{}: nothing came, and primaries that were never asked wait for the room",
                                            work->attempt->peer.address.text()));
  }
  self->note_transfer(*work, taken ? nullptr : &taken.error(), makes_way ? Tells::of_itself : Tells::of_transfers);
  self->taken(work, std::move(taken), std::move(permit));
}

/// Whatever went wrong, the whole zone is asked for at once, and the line says why.
void ZoneAgent::differences_failed(Work& work, const Error& error) {
  log_no_differences(*work.attempt, error);
  note_attempt(*work.attempt, &error);
  core_.board.count([](EngineCounters& counters) { ++counters.differences_failed; });
  note_no_differences(work, error);
  work.asks_differences = false;
  work.no_differences.push_back(work.attempt->peer.address);
  if (error.code == Errc::timed_out || error.code == Errc::stalled) {
    const std::chrono::duration<double> stall = core_.settings.stall_timeout;
    work.attempt->waited += std::min(work.attempt->seconds, stall.count());
  }
  begin_attempt_again(work);
}

/// Who does not know IXFR is not asked for any zone for a while. What else goes wrong is a matter of this zone, and
/// only if the whole of it comes at once from there: else the primary was away or not ready, and that passes.
void ZoneAgent::note_no_differences(Work& work, const Error& error) {
  const Attempt& attempt = *work.attempt;
  work.pause.reset();
  if (error.code == Errc::rcode) {
    const bool is_unknown =
        error.detail.find("NOTIMP") != std::string::npos || error.detail.find("FORMERR") != std::string::npos;
    if (is_unknown) core_.traits.sends_no_differences(attempt.peer.address, core_.mono());
    work.pause = {attempt.peer.address, pause_after_refusal};
    return;
  }
  const bool hung = error.code == Errc::timed_out || error.code == Errc::stalled;
  const bool was_heard = attempt.counts.messages > 0 || hung;
  if (!was_heard || error.code == Errc::bad_delta || error.code == Errc::cancelled || error.code == Errc::io) return;
  work.pause = {attempt.peer.address, pause_after_failure};
}

/// The primary sent the whole zone: it is there, and it is the differences that are not to be had from it.
void ZoneAgent::pause_differences(Work& work) {
  const auto pause = std::exchange(work.pause, std::nullopt);
  if (!pause || pause->primary != work.attempt->peer.address) return;
  const double now = core_.mono();
  auto& pauses = change_seldom().no_differences_until;
  std::erase_if(pauses, [&](const auto& known) { return known.second <= now || known.first == pause->primary; });
  pauses.emplace_back(pause->primary, now + pause->seconds);
}

/// Only a NOTIFY says that there is something newer, and anyone can send that: it is not worth a whole zone.
void ZoneAgent::ask_serial_first(const WorkPtr& work, Lanes::Permit permit, const Error& error) {
  note_transfer(*work, &error, Tells::of_itself);
  differences_failed(*work, error);
  give_back(permit, error.code);
  work->waited = work->attempt->waited;
  work->attempt.reset();
  --work->next;
  ask_next(work);
}

/// The same primary is asked for something else.
void ZoneAgent::begin_attempt_again(Work& work) const {
  const Attempt before = std::move(*work.attempt);
  begin_attempt(work, before.peer);
  work.attempt->announced = before.announced;
  work.attempt->expire_left = before.expire_left;
  work.attempt->waited = before.waited;
}

void ZoneAgent::taken(const WorkPtr& work, Result<Taken> taken, Lanes::Permit permit) {
  if (work->cancelled) {
    permit.give_back_unused();
    ask_next(work);
    return;
  }
  if (!taken) {
    give_back(permit, taken.error().code);
    core_.board.count([](EngineCounters& counters) { ++counters.transfers_failed; });
    work->newer_failed |= !work->goes_back;
    attempt_failed(work, taken.error());
    ask_next(work);
    return;
  }
  switch (taken->kind) {
    case Taken::Kind::current:
      permit.release();
      work->confirmed = std::move(work->attempt);
      decide(work);
      break;
    case Taken::Kind::behind:
      permit.release();
      primary_is_behind(work);
      ask_next(work);
      break;
    case Taken::Kind::whole:
      pause_differences(*work);
      [[fallthrough]];
    case Taken::Kind::differences:
      start_commit(work, *std::move(taken), std::move(permit));
      break;
  }
}

/// Every transfer and every failure, kept for people.
void ZoneAgent::note_attempt(const Attempt& attempt, const Error* error) const {
  core_.store.transfers().append(record_of(attempt, core_.clock.wall_ms(), error));
}

// Commit.

void ZoneAgent::start_commit(const WorkPtr& work, Taken taken, Lanes::Permit permit) {
  const std::shared_ptr<const Zone> held = version();
  if (!taken.deltas.empty() && !is_origin(work->attempt->peer) && !proves_its_start(*held, taken.deltas)) {
    differences_failed(*work, {Errc::bad_delta, fmt::format("our version is from {}, and nothing shows that both have "
                                                            "the same data",
                                                            *origin_)});
    permit.release();
    go_on_with_transfer(work);
    return;
  }
  work->committing = true;
  set_activity(ZoneActivity::committing);
  set_timer();
  const std::uint64_t octets = taken.memory_size();
  const bool may_wait_for_disk =
      core_.commits_ahead < max_commits_ahead && core_.octets_ahead + octets <= max_octets_ahead;
  if (may_wait_for_disk) permit.release();
  ++core_.commits_ahead;
  core_.octets_ahead += octets;
  auto task = std::make_shared<CommitTask>(CommitTask{.slot = slot_,
                                                      .builder = std::move(taken.builder),
                                                      .deltas = std::move(taken.deltas),
                                                      .base = held,
                                                      .history = history(),
                                                      .keep = work->policy->history,
                                                      .max_octets = work->policy->limits.max_octets,
                                                      .write_whole = std::exchange(write_whole_, false),
                                                      .may_rewrite = may_rewrite(),
                                                      .may_go_back = work->whole || work->goes_back,
                                                      .ours = floor_serial(),
                                                      .source = work->attempt->peer.address.text(),
                                                      .schedule = schedule_,
                                                      .expire_left = work->attempt->expire_left,
                                                      .random = core_.random_part()});
  auto held_permit = std::make_shared<Lanes::Permit>(std::move(permit));
  task->done = [this, self = shared_from_this(), work, held_permit, octets](CommitTask&& finished) {
    auto outcome = std::make_shared<CommitTask>(std::move(finished));
    core_.calls.post([this, self, work, held_permit, octets, outcome] {
      held_permit->release();
      --core_.commits_ahead;
      core_.octets_ahead -= octets;
      // In this order: what waits for the store writes the timers of the version that is stored now.
      committed(work, *outcome);
      store_is_free();
    });
  };
  when_store_is_free([this, task, urgent = work->urgent] { core_.commit(std::move(*task), urgent); });
}

/// The serial that no version may be older than: what we hold, or what was served before it was lost.
std::optional<Serial> ZoneAgent::floor_serial() const {
  const auto held = version();
  return held ? std::optional(held->serial()) : seldom().lost_serial;
}

void ZoneAgent::go_on_with_transfer(const WorkPtr& work) {
  work->committing = false;
  if (work->cancelled) {
    ask_next(work);
    return;
  }
  queue_transfer(work);
}

void ZoneAgent::commit_failed(const WorkPtr& work, const CommitTask& task) {
  write_whole_ |= task.write_whole;
  const Error& error = task.result.error();
  const Errc code = error.code;
  const bool ours = code == Errc::storage || code == Errc::storage_full || code == Errc::corrupt || code == Errc::io;
  if (!task.deltas.empty() && !ours) {
    differences_failed(*work, error);
    go_on_with_transfer(work);
    return;
  }
  core_.board.count([](EngineCounters& counters) { ++counters.transfers_failed; });
  work->newer_failed |= !work->goes_back;
  attempt_failed(work, error);
  if (ours) {  // another primary would not help
    work->next = work->until = work->order.size();
    work->newer.clear();
  }
  ask_next(work);
}

void ZoneAgent::committed(const WorkPtr& work, CommitTask& task) {
  work->committing = false;
  if (!task.result) {
    commit_failed(work, task);
    return;
  }
  Attempt& attempt = *work->attempt;
  attempt.counts.duplicates = std::max(attempt.counts.duplicates, task.report.duplicates);
  attempt.received = task.version->serial();
  schedule_ = task.schedule;
  schedule_.set_bounds(policy_->bounds, core_.now());
  show_expiry();
  origin_ = core_.texts.get(attempt.peer.address.text());
  write_whole_ = task.wants_whole;
  if (task.rewrite && may_rewrite()) start_rewrite(std::move(task.rewrite));
  if (seldom_) {
    seldom_->lost_serial.reset();
    seldom_->behind.clear();
  }
  if (core_.events.published) core_.events.published(task.version);
  log_transferred(attempt);
  log_oddities(attempt, task.report);
  attempt.came = task.deltas.empty() ? "whole zone" : "differences";
  note_attempt(attempt, nullptr);
  const std::string* source = core_.texts.get(attempt.peer.name);
  std::shared_ptr<const Zone> version = task.version;  // the one before goes after the lock
  {
    Lock lock(core_.board.mutex);
    facts_.version.swap(version);
    facts_.history = task.history;
    facts_.source = source;
    facts_.last_error.reset();
    ++facts_.checks;
    ++facts_.transfers;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
    ++core_.board.counters.transfers_ok;
    if (!task.deltas.empty()) ++core_.board.counters.transfers_by_differences;
    core_.board.counters.transferred_records += attempt.counts.records;
    core_.board.counters.transferred_octets += attempt.counts.octets;
  }
  log_iterations(version.get(), *task.version, core_.settings.nsec3_max_iterations);
  core_.compactor.committed(*this, task.version, task.deltas);
  announce(true);
  std::string text;  // for whoever asked for it
  if (!work->commands.empty()) {
    const std::string before = attempt.ours ? std::to_string(attempt.ours->value) : "none";
    text = fmt::format("serial {} -> {} from {}, {} records", before, task.version->serial().value, attempt.peer.name,
                       task.version->record_count());
  }
  finish(work, {{}, std::move(text)});
}

// The whole version, written beside the commits of what comes next.

/// If not, a later commit will ask for it again.
bool ZoneAgent::may_rewrite() const {
  return !rewriting_ && core_.may_rewrite() && core_.mono() >= seldom().no_rewrite_until;
}

void ZoneAgent::start_rewrite(std::shared_ptr<ZoneRewrite> rewrite) {
  rewriting_ = true;
  ++core_.rewrites;
  auto outcome = std::make_shared<Result<void>>(fail(Errc::storage, "out of memory"));
  core_.run_job(
      core_.asides, JobPool::Urgency::can_wait,
      [this, self = shared_from_this(), rewrite, outcome] { *outcome = core_.store.write_aside(*rewrite); },
      [this, self = shared_from_this(), rewrite, outcome] { rewrite_is_written(rewrite, *outcome); });
}

void ZoneAgent::rewrite_is_written(const std::shared_ptr<ZoneRewrite>& rewrite, const Result<void>& outcome) {
  if (!outcome || retired_ || core_.stopping) {
    // What is on the disk already is of no use; the next start would find that out.
    core_.writes.post([&store = core_.store, rewrite] { store.give_up(*rewrite); });
    rewrite_is_over(outcome);
    return;
  }
  when_store_is_free([this, rewrite] {
    auto switched = std::make_shared<Result<void>>(fail(Errc::storage, "out of memory"));
    core_.run_job(
        core_.writes, JobPool::Urgency::urgent,
        [this, self = shared_from_this(), rewrite, switched] { *switched = core_.store.switch_to(*rewrite); },
        [this, self = shared_from_this(), switched] {
          rewrite_is_over(*switched);
          store_is_free();
        });
  });
}

/// A later commit says whether it is still wanted.
void ZoneAgent::rewrite_is_over(const Result<void>& outcome) {
  rewriting_ = false;
  --core_.rewrites;
  if (outcome || outcome.error().code == Errc::cancelled || core_.stopping) return;
  change_seldom().no_rewrite_until = core_.mono() + pause_after_failure;
  log_warning("zone {}: it could not be written whole, and is read from more and more differences at a start: {}; {}",
              name().text(), outcome.error().text(), advice_text(outcome.error().code));
}

// The same version in less memory.

std::shared_ptr<const Zone> ZoneAgent::compactable() const {
  if (retired_ || core_.stopping || !adopted_ || is_local()) return nullptr;
  std::shared_ptr<const Zone> held = version();
  return held && slot_->zone() == held.get() && !slot_->is_stale() ? held : nullptr;
}

ZoneAgent::Taking ZoneAgent::take_compacted(std::uint64_t in_place_of, const std::shared_ptr<const Zone>& compacted) {
  if (work_ && work_->committing) return Taking::not_now;
  const std::shared_ptr<const Zone> held = compactable();
  if (!held || held->id() != in_place_of || held->serial() != compacted->serial() ||
      held->record_count() != compacted->record_count()) {
    return Taking::refused;
  }
  slot_->publish(compacted, history());
  if (const CheckedDigest* checked = seldom().checked_digest.get();
      checked != nullptr && checked->version == held->id()) {
    seldom_->checked_digest = std::make_unique<const CheckedDigest>(CheckedDigest{compacted->id(), checked->shown});
  }
  Lock lock(core_.board.mutex);
  facts_.version = compacted;  // the one before goes with `held`, after the lock
  return Taking::taken;
}

}  // namespace understudy
