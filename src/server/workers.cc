#include "server/workers.h"

#include "answer/responder.h"
#include "base/log.h"
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
  workers->open_interfaces(config, responder);
  return workers;
}

void Workers::open_interfaces(const Config& config, const XdpPort::MakeHandler& responder) {
  // As they are bound: the system may have chosen ports.
  const std::vector<Endpoint> listen = udp_.front()->local_endpoints();
  for (const std::string& name : config.server.xdp) {
    auto opened = XdpPort::open(name, listen, config.server.proxy_from, responder);
    if (!opened) {
      log_warning("AF_XDP: {}: not used, sockets answer what it receives: {}", name, opened.error().text());
      continue;
    }
    log_info("AF_XDP: {}", (*opened)->text());
    interfaces_.push_back(std::move(*opened));
  }
}

void Workers::start() {
  for (auto& worker : udp_) worker->start();
  for (auto& worker : streams_) worker->start();
  for (auto& interface : interfaces_) interface->start();
}

void Workers::stop() {
  interfaces_.clear();  // first: what comes from now on is the sockets'
  for (auto& worker : udp_) worker->stop();
  for (auto& worker : streams_) worker->stop();
}

Workers::Totals Workers::totals() const {
  Totals totals;
  for (const auto& c : counters_) totals.answers.push_back(c.get());
  for (const auto& w : udp_) totals.udp.push_back(&w->counters());
  for (const auto& w : streams_) totals.streams.push_back(&w->counters());
  for (const auto& i : interfaces_) totals.interfaces.push_back(i.get());
  return totals;
}

}  // namespace understudy
