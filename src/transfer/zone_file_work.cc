// Work of an agent whose zone is local: reading its file, or taking what this server has made, takes the place of
// asking and transferring.
#include <fmt/format.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "base/log.h"
#include "transfer/zone_work.h"

namespace understudy {

namespace asio = boost::asio;

void ZoneAgent::read_file(const WorkPtr& work) {
  struct Outcome {
    FileReading reading;
    FileStamp stamp;
    bool current = false;
  };
  work->started = true;
  if (local_->produced) {
    commit_produced(work);
    return;
  }
  set_activity(ZoneActivity::checking);
  auto outcome = std::make_shared<Outcome>();
  const bool only_if_written = work->only_if_written;
  core_.run_job(
      core_.loads, JobPool::Urgency::urgent,
      [self = shared_from_this(), &clock = core_.clock, outcome, only_if_written, path = local_->file, held = version(),
       stamp = local_->stamp, limits = policy_->limits] {
        outcome->stamp = file_stamp(path);
        outcome->current = only_if_written && held && outcome->stamp == stamp;
        if (outcome->current) return;
        outcome->reading = read_file_version(path, self->name(), limits, clock);
        outcome->stamp = outcome->reading.stamp;
        const auto& read = outcome->reading.version;
        outcome->current = read && held && same_content(held, *read);
      },
      [this, self = shared_from_this(), outcome, work, path = local_->file] {
        if (work->cancelled || !is_local()) {
          work->cancelled = true;
          finish_failed(work);
        } else if (outcome->current) {
          if (local_->file == path) local_->stamp = outcome->stamp;  // else the other file is read next
          file_is_current(work, path);
        } else {
          file_was_read(work, outcome->reading);
        }
      });
}

void ZoneAgent::file_is_current(const WorkPtr& work, const std::string& path) {
  const std::shared_ptr<const Zone> held = version();
  if (slot_->zone() == nullptr || slot_->is_stale())
    slot_->publish(held, history());  // had expired as a secondary zone
  const std::string* source = core_.texts.get(path);
  {
    Lock lock(core_.board.mutex);
    facts_.source = source;
    facts_.last_error.reset();
    ++facts_.checks;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  finish(work, {{}, fmt::format("serial {} is current in {}", held->serial().value, *source)});
}

/// What a local version needs to be served: it is kept nowhere else and may have any serial.
CommitTask ZoneAgent::begin_local_commit(const WorkPtr& work, std::shared_ptr<const Zone> made, std::string source) {
  const std::shared_ptr<const Zone> held = version();
  work->committing = true;
  set_activity(ZoneActivity::committing);
  return {.slot = slot_,
          .base = held,
          .history = history(),
          .keep = policy_->history,
          .stored = false,
          .may_go_back = true,
          .ours = held ? std::optional(held->serial()) : std::nullopt,
          .source = std::move(source),
          .schedule = schedule_,
          .version = std::move(made)};
}

void ZoneAgent::file_was_read(const WorkPtr& work, const FileReading& reading) {
  const std::shared_ptr<const Zone> held = version();
  const std::optional<Serial> ours = held ? std::optional(held->serial()) : std::nullopt;
  if (!reading.version) {
    local_->stamp = {};
    log_file_failed(name(), local_->file, ours, reading.version.error());
    work->error = reading.version.error();
    finish_failed(work);
    return;
  }
  CommitTask task = begin_local_commit(work, *reading.version, local_->file);
  task.done = [this, self = shared_from_this(), work, reading](CommitTask&& finished) {
    auto outcome = std::make_shared<CommitTask>(std::move(finished));
    core_.calls.post([this, self, work, reading, outcome] { file_committed(work, reading, *outcome); });
  };
  core_.committer.submit(std::move(task));
}

void ZoneAgent::file_committed(const WorkPtr& work, const FileReading& reading, CommitTask& task) {
  if (!task.result) {
    work->committing = false;
    if (local_) local_->stamp = {};
    log_file_failed(name(), task.source, task.ours, task.result.error());
    work->error = task.result.error();
    finish_failed(work);
    return;
  }
  if (local_) local_->stamp = reading.stamp;
  log_file_read(name(), task.source, task.ours, reading);
  local_version_is_served(work, task);
}

void ZoneAgent::local_version_is_served(const WorkPtr& work, CommitTask& task) {
  work->committing = false;
  // If the zone is taken from primaries again one day, nothing that they or the store have leads on from here.
  origin_ = TextPool::none();
  write_whole_ = true;
  if (core_.events.published) core_.events.published(task.version);
  const WallSeconds now = core_.clock.wall_seconds();
  const std::string* source = core_.texts.get(task.source);
  std::shared_ptr<const Zone> version = task.version;  // the one before goes after the lock
  {
    Lock lock(core_.board.mutex);
    facts_.version.swap(version);
    facts_.history = task.history;
    facts_.source = source;
    facts_.last_error.reset();
    facts_.confirmed_at = facts_.checked_at = now;
    ++facts_.checks;
    ++facts_.transfers;
    change_state(ZoneState::ok);
    ++core_.board.counters.checks_ok;
  }
  core_.compactor.committed(*this, task.version, {});
  announce(true);
  const std::string before = task.ours ? std::to_string(task.ours->value) : "none";
  finish(work, {{},
                fmt::format("serial {} -> {} from {}, {} records", before, task.version->serial().value, task.source,
                            task.version->record_count())});
}

// A zone that this server makes.

void ZoneAgent::put_version(std::shared_ptr<const Zone> made, DeltaPtr delta) {
  if (retired_ || core_.stopping || !local_ || !local_->produced) return;
  // Of several that wait only the last one counts, with the way to it.
  if (!local_->put_version || !delta) local_->put_deltas.clear();
  if (delta) local_->put_deltas.push_back(std::move(delta));
  local_->put_version = std::move(made);
  if (adopted_ && !work_) after_work();
}

void ZoneAgent::commit_produced(const WorkPtr& work) {
  const std::shared_ptr<const Zone> held = version();
  if (!local_->put_version) {
    if (held) {
      finish(work, {{}, fmt::format("serial {} is current: this server makes the zone", held->serial().value)});
    } else {
      work->error = Error{Errc::not_found, "this server makes the zone and has not done so yet"};
      finish_failed(work);
    }
    return;
  }
  CommitTask task = begin_local_commit(work, std::exchange(local_->put_version, nullptr), "this server");
  std::vector<DeltaPtr> deltas = std::exchange(local_->put_deltas, {});
  const bool lead_here = held && !deltas.empty() && deltas.front()->from() == held->serial() &&
                         deltas.back()->to() == task.version->serial();
  if (lead_here) task.deltas = std::move(deltas);
  task.done = [this, self = shared_from_this(), work](CommitTask&& finished) {
    auto outcome = std::make_shared<CommitTask>(std::move(finished));
    core_.calls.post([this, self, work, outcome] { produced_committed(work, *outcome); });
  };
  core_.committer.submit(std::move(task));
}

void ZoneAgent::produced_committed(const WorkPtr& work, CommitTask& task) {
  if (task.result) {
    local_version_is_served(work, task);
    return;
  }
  work->committing = false;
  log_error("zone {}: the version that this server has made cannot be served: {}", name().text(),
            task.result.error().text());
  work->error = task.result.error();
  finish_failed(work);
}

}  // namespace understudy
