#include "transfer/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>

#include "base/log.h"
#include "net/exchange.h"
#include "transfer/signed_request.h"
#include "transfer/spawn.h"
#include "xfr/soa_query.h"

namespace understudy {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

constexpr unsigned max_exchanges = 256;
constexpr unsigned max_exchanges_per_target = 64;
// Zones stand in line once so many announcements are pending: enough to keep every exchange busy.
constexpr std::size_t max_pending = 2 * max_exchanges;
// A target that acknowledged none of so many tries is silent; that many repetitions may wait for it, and some more
// changes: for it, and for all such targets together.
constexpr unsigned silent_after = max_exchanges_per_target;
constexpr std::size_t max_changes_for_silent = 512;
constexpr std::size_t max_changes_for_all_silent = 4096;
constexpr int drawn_at_once = 256;  // before other events get their turn

double seconds_of(const Clock& clock) {
  return static_cast<double>(clock.mono_ns()) / 1e9;
}

}  // namespace

struct Notifier::Task {
  Key key;
  PeerSettings target;
  std::shared_ptr<const Zone> version;
  Lanes::Priority priority = Lanes::Priority::urgent;
  unsigned tries = 0;
  bool running = false;     // a coroutine holds it
  bool superseded = false;  // by `version`, while running
  Lanes::Request request;
  CancelSignal cancel;  // of its coroutine
};

Notifier::Notifier(asio::io_context& io, const Clock& clock, StatusBoard& board, const EngineSettings& settings)
    : io_(io),
      clock_(clock),
      board_(board),
      timeout_(settings.notify_timeout),
      tries_(settings.notify_tries),
      lanes_(
          max_exchanges, max_exchanges_per_target, [this] { return seconds_of(clock_); },
          [this](double at) { wake_at(at); }),
      pace_timer_(io) {
  lanes_.set_total_rate(settings.notifies_per_second);
}

Notifier::~Notifier() = default;

void Notifier::set_settings(const EngineSettings& settings) {
  timeout_ = settings.notify_timeout;
  tries_ = settings.notify_tries;
  lanes_.set_total_rate(settings.notifies_per_second);
}

void Notifier::wake_at(double when) {
  if (stopping_ || (paces_at_ != 0 && paces_at_ <= when)) return;
  paces_at_ = when;
  const auto wait = std::chrono::ceil<milliseconds>(std::chrono::duration<double>(when - seconds_of(clock_)));
  pace_timer_.expires_after(std::max(wait, milliseconds(0)));
  pace_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    paces_at_ = 0;
    lanes_.tick();
  });
}

Notifier::Key Notifier::key_of(NameView zone, const Endpoint& target) {
  return {std::string(text_of(Name(zone).lowered().wire())), target};
}

void Notifier::announce(std::span<const PeerSettings> targets, const std::shared_ptr<const Zone>& version,
                        bool urgent) {
  if (stopping_) return;
  for (const PeerSettings& target : targets) {
    Key key = key_of(version->apex(), target.address);
    const auto found = tasks_.find(key);
    const bool is_new = found == tasks_.end();
    if (is_new && leaves_out(target, urgent)) continue;
    const std::shared_ptr<Task> task = is_new ? std::make_shared<Task>() : found->second;
    if (is_new) {
      tasks_.emplace(key, task);
      count_task(target.address);
    }
    task->key = std::move(key);
    task->target = target;
    task->version = version;
    task->tries = 0;
    if (urgent) task->priority = Lanes::Priority::urgent;
    if (is_new && !urgent) task->priority = Lanes::Priority::normal;
    if (task->running) {
      task->superseded = true;
      cancel(task->cancel);
    } else if (is_new) {
      queue(task);
    } else if (urgent) {
      lanes_.make_urgent(task->request);
    }
  }
}

/// Somebody who acknowledges nothing must not cost memory for every zone. When it is there again, it sees what it was
/// not told at its next refresh.
bool Notifier::leaves_out(const PeerSettings& target, bool urgent) {
  const auto known = targets_.find(target.address);
  if (known == targets_.end() || !known->second.is_silent) return false;
  Target& counted = known->second;
  if (!urgent) return counted.tasks >= silent_after;
  // The first tries find out whether it is there again, whatever waits for others.
  const bool is_full = pending_to_silent_ >= max_changes_for_all_silent && counted.tasks >= silent_after;
  if (counted.tasks < max_changes_for_silent && !is_full) return false;
  board_.count([](EngineCounters& counters) { ++counters.notifies_failed; });
  if (!std::exchange(counted.leaves_out, true)) {
    log_warning(
        "{} ({}) acknowledges no NOTIFY, and too many changes wait for it: until it does, it is not told of more, and "
        "sees them at its next refresh; check that it runs and allows NOTIFY from us, or take it out of notify",
        target.name, target.address.text());
  }
  return true;
}

void Notifier::forget(NameView zone) {
  const std::string name = key_of(zone, {}).first;
  for (auto at = tasks_.lower_bound({name, Endpoint{}}); at != tasks_.end() && at->first.first == name;) {
    const std::shared_ptr<Task> task = at->second;
    at = tasks_.erase(at);
    uncount_task(task->key.second);
    task->request.withdraw();
    cancel(task->cancel);
  }
  draw();
}

void Notifier::stop() {
  stopping_ = true;
  pace_timer_.cancel();
  for (auto& line : lines_) line.clear();
  for (const auto& [key, task] : std::exchange(tasks_, {})) {
    task->request.withdraw();
    cancel(task->cancel);
  }
}

void Notifier::queue(const std::shared_ptr<Task>& task) {
  task->request = lanes_.enqueue(task->target.address, task->priority, [this, task](Lanes::Permit permit) {
    asio::post(io_, [this, task, granted = std::move(permit)]() mutable { start_try(task, std::move(granted)); });
  });
}

void Notifier::start_try(const std::shared_ptr<Task>& task, Lanes::Permit permit) {
  const auto found = tasks_.find(task->key);
  if (found == tasks_.end() || found->second != task) return;  // forgotten meanwhile
  task->running = true;
  task->cancel = spawn(io_, try_once(task, std::move(permit)));
}

asio::awaitable<void> Notifier::try_once(std::shared_ptr<Task> task, Lanes::Permit permit) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto began = std::chrono::steady_clock::now();
  const milliseconds timeout = timeout_ * (1 << std::min(task->tries, 10U));
  board_.count([](EngineCounters& counters) { ++counters.notifies_sent; });
  Result<> outcome = fail(Errc::io, "out of memory");
  try {
    outcome = co_await exchange(*task, timeout);
  } catch (const std::bad_alloc&) {  // this try has failed, and the server goes on
  }
  permit.release();
  const bool failed_at_once = !outcome && (outcome.error().code == Errc::connect_failed ||  // refused
                                           outcome.error().code == Errc::io);               // no descriptor left
  if (failed_at_once && !task->superseded) {
    // It may work again before the time for the next try has come.
    asio::steady_timer timer(io_, began + timeout);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  task->running = false;
  try_ended(task, outcome);
}

asio::awaitable<Result<>> Notifier::exchange(const Task& task, milliseconds timeout) {
  const std::shared_ptr<const Zone> version = task.version;
  const PeerSettings target = task.target;
  Bytes soa;
  if (const auto rrset = version->rrset(version->apex_node(), RRType::SOA)) {
    rrset->for_each_rdata([&soa](ByteView rdata) { soa.assign(rdata.begin(), rdata.end()); });
  }
  Result<SignedRequest> request = make_signed_request(
      target.key, clock_, [&](std::uint16_t id) { return notify_query(version->apex(), id, version->soa().ttl, soa); });
  if (!request) co_return std::unexpected(std::move(request).error());
  Result<NotifyAnswer> answer = NotifyAnswer::ignored;
  const auto read = [&](ByteView message) {
    // Every datagram is checked against the signature anew: a forged one must not end the wait (RFC 8945 section 5.4).
    std::optional<TsigStream> tsig = request->fresh_stream(target.key);
    answer = read_notify_answer(message, version->apex(), request->id, Via::datagram, tsig ? &*tsig : nullptr,
                                signature_time(clock_));
    return answer ? *answer == NotifyAnswer::acknowledged : answer.error().code == Errc::rcode;
  };
  const Result<Bytes> exchanged = co_await udp_exchange(target.address, request->message, timeout, read, target.source);
  if (exchanged) {
    if (!answer) co_return std::unexpected(answer.error());
    co_return Result<>{};
  }
  // What came and was not good enough says more than that nothing good came.
  if (exchanged.error().code == Errc::timed_out && !answer) co_return std::unexpected(answer.error());
  co_return std::unexpected(exchanged.error());
}

void Notifier::try_ended(const std::shared_ptr<Task>& task, const Result<>& outcome) {
  const auto found = tasks_.find(task->key);
  if (found == tasks_.end() || found->second != task) return;  // forgotten meanwhile
  if (std::exchange(task->superseded, false)) {
    queue(task);
    return;
  }
  note_try(task->target, outcome);
  const std::string zone = task->version->apex().text();
  const std::uint32_t serial = task->version->serial().value;
  if (outcome) {
    log_debug("zone {}: NOTIFY of serial {} acknowledged by {}", zone, serial, task->target.name);
    finish(task);
    return;
  }
  const Errc code = outcome.error().code;
  const bool worth_repeating = code != Errc::rcode && code != Errc::cancelled;
  if (worth_repeating && ++task->tries < tries_) {
    task->priority = Lanes::Priority::normal;
    queue(task);
    return;
  }
  log_warning(
      "zone {}: NOTIFY of serial {} to {} ({}, UDP, {}) failed: {}; {}: it will see the change at its next "
      "refresh; check that it runs, serves the zone and allows NOTIFY from us",
      zone, serial, task->target.name, task->target.address.text(),
      task->target.key ? "key " + task->target.key->name.text() : "unsigned", outcome.error().text(),
      worth_repeating ? fmt::format("given up after {} tries", tries_) : "not repeated");
  board_.count([](EngineCounters& counters) { ++counters.notifies_failed; });
  finish(task);
}

void Notifier::finish(const std::shared_ptr<Task>& task) {
  if (tasks_.erase(Key(task->key)) == 0) return;
  uncount_task(task->key.second);
  draw();
}

// Who stands in line.

void Notifier::count_task(const Endpoint& target) {
  Target& counted = targets_[target];
  ++counted.tasks;
  ++(counted.is_silent ? pending_to_silent_ : pending_);
}

void Notifier::uncount_task(const Endpoint& target) {
  const auto found = targets_.find(target);
  if (found == targets_.end()) return;
  --found->second.tasks;
  --(found->second.is_silent ? pending_to_silent_ : pending_);
  const bool is_forgotten = found->second.failures == 0 || (lines_[0].empty() && lines_[1].empty());
  if (found->second.tasks == 0 && is_forgotten) targets_.erase(found);
}

void Notifier::note_try(const PeerSettings& target, const Result<>& outcome) {
  const auto found = targets_.find(target.address);
  if (found == targets_.end()) return;
  // What this server lacks, or ended, is not the target's silence; nor is it what somebody else sent in its place.
  const bool says_nothing = !outcome && (outcome.error().code == Errc::io || outcome.error().code == Errc::cancelled ||
                                         outcome.error().code == Errc::wrong_id);
  if (says_nothing) return;
  Target& counted = found->second;
  const bool heard = outcome || outcome.error().code == Errc::rcode;
  if (heard) {
    counted.failures = 0;
    counted.leaves_out = false;
    if (!std::exchange(counted.is_silent, false)) return;
    pending_ += counted.tasks;
    pending_to_silent_ -= counted.tasks;
  } else if (++counted.failures == silent_after && !std::exchange(counted.is_silent, true)) {
    pending_ -= counted.tasks;
    pending_to_silent_ += counted.tasks;
    log_warning(
        "{} ({}) acknowledges no NOTIFY: until it does, it is told of changes only, and not once more of what has not "
        "changed since before the start; check that it runs and allows NOTIFY from us",
        target.name, target.address.text());
    draw();
  }
}

bool Notifier::has_task(NameView zone) const {
  const Key first = key_of(zone, {});
  const auto found = tasks_.lower_bound({first.first, Endpoint{}});
  return found != tasks_.end() && found->first.first == first.first;
}

bool Notifier::has_room() const {
  return pending_ < max_pending;
}

void Notifier::announce_in_turn(const std::shared_ptr<Announcer>& announcer, NameView zone, bool urgent) {
  using Waits = Announcer::Waits;
  if (stopping_) return;
  const bool goes_first = lines_[0].empty() && (urgent || lines_[1].empty());
  if ((goes_first && has_room()) || has_task(zone)) {
    announcer->announce_now(urgent);
    return;
  }
  const Waits as = urgent ? Waits::urgent : Waits::to_repeat;
  if (announcer->waits_ >= as) return;
  announcer->waits_ = as;
  lines_[urgent ? 0 : 1].push_back(announcer);
}

void Notifier::draw() {
  using Waits = Announcer::Waits;
  int left = drawn_at_once;
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    while (!lines_[i].empty() && has_room() && !stopping_) {
      if (left-- == 0) {
        if (std::exchange(draw_is_posted_, true)) return;
        asio::post(io_, [this] {
          draw_is_posted_ = false;
          draw();
        });
        return;
      }
      const std::shared_ptr<Announcer> next = std::move(lines_[i].front());
      lines_[i].pop_front();
      // Who has become urgent stands in the other line too.
      if (next->waits_ != (i == 0 ? Waits::urgent : Waits::to_repeat)) continue;
      next->waits_ = Waits::no;
      next->announce_now(i == 0);
    }
  }
}

}  // namespace understudy
