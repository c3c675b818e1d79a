// The answering side's view of a running server.
#pragma once

#include <atomic>
#include <memory>

#include "answer/environment.h"
#include "base/qsbr.h"
#include "transfer/engine.h"

namespace understudy {

class LiveEnvironment final : public AnswerEnvironment {
 public:
  LiveEnvironment(TransferEngine& engine, const Clock& clock, AnswerSettings settings)
      : engine_(engine), clock_(clock), settings_(new AnswerSettings(std::move(settings))) {}
  ~LiveEnvironment() override { delete settings_.load(); }
  LiveEnvironment(const LiveEnvironment&) = delete;
  LiveEnvironment& operator=(const LiveEnvironment&) = delete;

  [[nodiscard]] const ZoneTable* table() const override { return engine_.table(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return settings_.load(std::memory_order_acquire); }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView zone, const IpAddress& from, std::optional<Serial> serial) override {
    engine_.notify(zone, from, serial);
  }

  /// One thread at a time.
  void set_settings(AnswerSettings settings) {
    const AnswerSettings* before =
        settings_.exchange(new AnswerSettings(std::move(settings)), std::memory_order_acq_rel);
    qsbr_retire([before] { delete before; });
  }

 private:
  TransferEngine& engine_;
  const Clock& clock_;
  std::atomic<const AnswerSettings*> settings_;
};

}  // namespace understudy
