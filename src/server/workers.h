// The threads that answer, with the counters of each.
#pragma once

#include <memory>
#include <vector>

#include "answer/environment.h"
#include "config/config.h"
#include "net/stream_worker.h"
#include "net/udp_worker.h"
#include "net/xdp_port.h"

namespace understudy {

class Workers {
 public:
  /// Binds; an address that somebody else uses is an error. An interface that AF_XDP cannot be used on is not: it is
  /// logged, and sockets answer.
  static Result<std::unique_ptr<Workers>> create(const Config& config, AnswerEnvironment& environment);

  void start();
  void stop();

  /// Sums over all workers, for metrics.
  struct Totals {
    std::vector<const AnswerCounters*> answers;
    std::vector<const UdpCounters*> udp;
    std::vector<const StreamCounters*> streams;
    std::vector<const XdpPort*> interfaces;
  };
  [[nodiscard]] Totals totals() const;

 private:
  void open_interfaces(const Config& config, const XdpPort::MakeHandler& responder);

  std::vector<std::unique_ptr<AnswerCounters>> counters_;  // before the workers, which write them
  std::vector<std::unique_ptr<UdpWorker>> udp_;
  std::vector<std::unique_ptr<StreamWorker>> streams_;
  std::vector<std::unique_ptr<XdpPort>> interfaces_;
};

}  // namespace understudy
