#include "server/workers.h"

#include "answer/responder.h"
#include "server/settings.h"

namespace understudy {

Result<std::unique_ptr<Workers>> Workers::create(const Config& config, AnswerEnvironment& environment) {
  for (const Endpoint& endpoint : config.server.listen) US_TRY(check_address_free(endpoint));
  auto limits =
      std::make_shared<ConnectionLimits>(config.server.tcp_max_clients, config.server.tcp_max_clients_per_address);
  auto workers = std::make_unique<Workers>();
  const auto responder = [&] {
    workers->counters_.push_back(std::make_unique<AnswerCounters>());
    return std::make_unique<Responder>(environment, *workers->counters_.back());
  };
  for (unsigned i = 0; i < worker_count(config); ++i) {
    US_ASSIGN(auto udp, UdpWorker::create(config.server.listen, responder(), {}, config.server.proxy_from));
    US_ASSIGN(auto stream, StreamWorker::create(config.server.listen, responder(), limits, stream_options(config)));
    workers->udp_.push_back(std::move(udp));
    workers->streams_.push_back(std::move(stream));
  }
  return workers;
}

void Workers::start() {
  for (auto& worker : udp_) worker->start();
  for (auto& worker : streams_) worker->start();
}

void Workers::stop() {
  for (auto& worker : udp_) worker->stop();
  for (auto& worker : streams_) worker->stop();
}

Workers::Totals Workers::totals() const {
  Totals totals;
  for (const auto& c : counters_) totals.answers.push_back(c.get());
  for (const auto& w : udp_) totals.udp.push_back(&w->counters());
  for (const auto& w : streams_) totals.streams.push_back(&w->counters());
  return totals;
}

}  // namespace understudy
