#include "transfer/clock_watch.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cmath>

#include "base/log.h"
#include "transfer/zone_agent.h"

namespace understudy {
namespace {

constexpr double longest_wait = 5;      // seconds; a jump is noticed after this time at the latest
constexpr double rewrite_pause = 0.05;  // seconds between two batches
constexpr std::size_t rewrite_batch = 200;
constexpr double grain = 0.02;     // seconds by which what is due later may be late, so that several share a wake-up
constexpr int due_at_once = 1000;  // zones that are begun before other events get their turn

}  // namespace

void ClockWatch::start() {
  core_.due_at = [this](double due) {
    if (waiting_ && due < waits_until_) wait();
  };
  look();
}

void ClockWatch::stop() {
  core_.due_at = nullptr;
  rewriting_.reset();
  timer_.cancel();
}

void ClockWatch::look() {
  if (core_.stopping) return;
  waiting_ = false;
  notice_jump();
  rewrite_some();
  run_due();
  wait();
}

void ClockWatch::run_due() {
  const double now = core_.mono();
  for (int i = 0; i < due_at_once; ++i) {
    TimerEntry* const entry = core_.timers.take_due(now);
    if (entry == nullptr) return;
    static_cast<ZoneAgent*>(entry)->timer_due();
  }
}

void ClockWatch::notice_jump() {
  const double jump = jumps_.take();
  if (jump == 0) return;
  log_warning("the system's clock was set {} by {:.0f} s; timers go on unchanged and are stored anew",
              jump > 0 ? "forward" : "back", std::abs(jump));
  rewriting_ = zones_();
  rewritten_ = 0;
}

void ClockWatch::rewrite_some() {
  if (!rewriting_) return;
  for (std::size_t left = rewrite_batch; left > 0 && rewritten_ < rewriting_->size();) {
    const auto agents = rewriting_->slice(rewritten_, left);
    for (const auto& agent : agents) agent->save_timers_again();
    rewritten_ += agents.size();
    left -= agents.size();
  }
  if (rewritten_ == rewriting_->size()) rewriting_.reset();
}

void ClockWatch::wait() {
  const double now = core_.mono();
  waits_until_ = now + (rewriting_ ? rewrite_pause : longest_wait);
  if (const std::optional<double> due = core_.timers.next()) {
    waits_until_ = std::min(waits_until_, *due <= now ? now : std::max(*due, now + grain));
  }
  waiting_ = true;
  const auto delay = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::duration<double>(waits_until_ - now));
  timer_.expires_after(std::max(delay, std::chrono::milliseconds(0)));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) look();
  });
}

}  // namespace understudy
