#include "transfer/commit.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <new>
#include <string_view>
#include <utility>

#include "base/out_of_memory.h"
#include "base/unused_memory.h"

namespace understudy {
namespace {

// Above this a version is not worth waiting for: it is committed on its own.
constexpr std::uint64_t large_version = std::uint64_t{4} << 20;
constexpr std::size_t max_batch = 256;
// Above this a version is written whole beside its zone's commits, which would wait for it otherwise.
constexpr std::uint64_t written_at_once = std::uint64_t{512} << 10;

Result<std::shared_ptr<const Zone>> make_version(CommitTask& task) {
  if (task.version) return task.version;
  if (!task.deltas.empty()) return apply_deltas(task.base, task.deltas, task.max_octets, &task.report);
  if (!task.builder) return fail(Errc::internal, "there is nothing to commit");
  auto finished = task.builder->finish();
  task.report = task.builder->report();
  return finished;
}

/// What changed is kept, also where the zone came whole, as far as it is not too much: others may ask for it.
void extend_history(CommitTask& task) {
  if (task.keep.versions == 0) {
    task.history = ZoneHistory::none();
    return;
  }
  std::vector<DeltaPtr> found;
  const bool goes_on = task.base && task.version->serial().is_newer_than(task.base->serial());
  if (task.deltas.empty() && goes_on) {
    if (auto delta = difference(task.base, task.version, task.keep.octets)) found.push_back(*std::move(delta));
  }
  const std::span<const DeltaPtr> added = task.deltas.empty() ? found : task.deltas;
  task.history = (task.history ? task.history : ZoneHistory::none())->with(added, task.keep);
}

/// What may be served at all: whole, and never older than what was served before.
void check(CommitTask& task) {
  auto made = make_version(task);
  if (!made) {
    task.result = std::unexpected(std::move(made).error());
    return;
  }
  task.version = *std::move(made);
  const Serial serial = task.version->serial();
  if (task.ours && !task.may_go_back && *task.ours != serial && !serial.is_newer_than(*task.ours)) {
    task.result = fail(Errc::serial_backwards, fmt::format("{}, we serve {}", serial.value, task.ours->value));
    return;
  }
  extend_history(task);
}

/// Octets of memory of what the task is about, as far as that is known.
std::uint64_t size_of(const CommitTask& task) {
  if (task.version) return task.version->memory_size();
  std::uint64_t octets = task.base ? task.base->memory_size() : 0;
  if (task.builder) octets += task.builder->memory_size();
  for (const DeltaPtr& delta : task.deltas) octets += delta->size();
  return octets;
}

/// Runs one step; memory that runs out in it is the outcome of the tasks that it was for.
template <typename F>
void take_step(std::span<CommitTask> tasks, std::string_view what, F&& step) {
  try {
    step();
  } catch (const std::bad_alloc&) {
    for (CommitTask& task : tasks) {
      if (task.result) task.result = out_of_memory(what, size_of(task));
    }
  } catch (const std::exception& error) {
    for (CommitTask& task : tasks) {
      if (task.result) task.result = fail(Errc::internal, error.what());
    }
  }
}

void make_durable(ZoneStore& store, const Clock& clock, std::span<CommitTask> tasks) {
  std::vector<Commit> commits;
  std::vector<CommitTask*> order;
  const Moment now = moment_of(clock);
  for (CommitTask& task : tasks) {
    if (!task.result || !task.stored) continue;
    task.schedule.updated(task.version->soa(), now, task.random, task.expire_left);
    // The store keeps what led here; what came whole is written whole, and so is what has become long.
    std::vector<DeltaPtr> deltas = task.deltas;
    if (deltas.empty() && !task.history->empty() && task.history->deltas().back()->to() == task.version->serial()) {
      deltas.push_back(task.history->deltas().back());
    }
    commits.push_back({.version = task.version,
                       .timers = task.schedule.timers(now),
                       .source = task.source,
                       .deltas = std::move(deltas),
                       .whole = task.deltas.empty() || task.write_whole,
                       .keep = task.keep});
    order.push_back(&task);
  }
  if (commits.empty()) return;
  std::vector<Result<void>> outcomes = store.commit_all(commits);
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i]->result = std::move(outcomes[i]);
    // Behind a version that was written whole there is nothing yet.
    if (!order[i]->result || commits[i].whole || !store.wants_whole(order[i]->version->apex())) continue;
    if (order[i]->version->memory_size() > written_at_once) {
      if (order[i]->may_rewrite) order[i]->rewrite = store.begin_rewrite(order[i]->version);
    } else {
      order[i]->wants_whole = true;
    }
  }
}

void make_visible(std::span<CommitTask> tasks) {
  for (CommitTask& task : tasks) {
    if (!task.result) continue;
    // What is told of the new version is never too much; where it may be more, the agent says so afterwards.
    if (task.stored) task.slot->set_expires(std::min(task.slot->expires(), task.schedule.expiry()));
    task.slot->publish(task.version, task.history);
  }
}

void announce(std::span<CommitTask> tasks) {
  for (CommitTask& task : tasks) {
    if (!task.result) task.version.reset();  // the next one is made from the one before it
    const auto done = std::exchange(task.done, nullptr);
    done(std::move(task));
  }
}

}  // namespace

Moment moment_of(const Clock& clock) {
  return {.mono = static_cast<double>(clock.mono_ns()) / 1e9, .wall = clock.wall_seconds()};
}

void commit_versions(ZoneStore& store, const Clock& clock, std::span<CommitTask> tasks) noexcept {
  for (CommitTask& task : tasks) take_step({&task, 1}, "a version to be made", [&] { check(task); });
  take_step(tasks, "a version to be stored", [&] { make_durable(store, clock, tasks); });
  make_visible(tasks);
  announce(tasks);
}

void Committer::submit(CommitTask task, Haste haste) {
  if (task.builder && task.builder->memory_size() > large_version) {
    auto alone = std::make_shared<CommitTask>(std::move(task));
    jobs_.post([this, alone] {
      commit_versions(store_, clock_, {alone.get(), 1});
      release_unused_memory();  // building and storing took much for a short time; else it would stay with the process
    });
    return;
  }
  {
    Lock lock(mutex_);
    waiting_.push_back(std::move(task));
    hurried_ |= haste == Haste::now || waiting_.size() >= max_batch;
    if (!hurried_ || std::exchange(running_, true)) return;
  }
  jobs_.post([this] { run(); });
}

void Committer::hurry() {
  {
    Lock lock(mutex_);
    if (waiting_.empty()) return;
    hurried_ = true;
    if (std::exchange(running_, true)) return;
  }
  jobs_.post([this] { run(); });
}

void Committer::run() noexcept {
  while (true) {
    std::vector<CommitTask> batch;
    {
      Lock lock(mutex_);
      if (!hurried_) {
        running_ = false;
        return;
      }
      if (waiting_.size() <= max_batch) {
        batch.swap(waiting_);
        hurried_ = false;
      } else {
        const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(max_batch);
        batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
        waiting_.erase(waiting_.begin(), end);
      }
    }
    commit_versions(store_, clock_, batch);
  }
}

}  // namespace understudy
