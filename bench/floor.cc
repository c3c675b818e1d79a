// What receiving and sending cost when answering costs nothing: each query gets a fixed record, copied. With the
// server's own workers, so the difference to it is the answering alone.
//
//   floor sockets ADDRESS@PORT              one UdpWorker
//   floor xdp ADDRESS@PORT INTERFACE        AF_XDP, a worker for each queue
//
// Prints "ready", and ends with SIGTERM. bench/bench.py xdp runs it.
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "net/udp_worker.h"
#include "net/xdp_port.h"

using namespace understudy;

namespace {

/// The question, and 192.0.2.1 for it. Takes everything for a query with one question and nothing behind it.
class FixedAnswer final : public DatagramHandler {
 public:
  void answer_batch(std::span<Datagram> batch) override {
    for (Datagram& d : batch) {
      if (d.query_size < 12 || d.query_size + sizeof record > d.response_capacity) continue;
      std::memcpy(d.response, d.query, d.query_size);
      d.response[2] |= 0x84;  // QR, AA
      d.response[7] = 1;      // records in the answer section
      std::memcpy(d.response + d.query_size, record, sizeof record);
      d.response_size = static_cast<std::uint32_t>(d.query_size + sizeof record);
    }
  }

 private:
  static constexpr std::uint8_t record[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1};
};

int failed(const Error& error) {
  std::fprintf(stderr, "floor: %s\n", error.text().c_str());
  return 1;
}

template <typename Served>
int serve(Served& served, const sigset_t& ending) {
  served.start();
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ending, &signal);
  served.stop();
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::string_view way = count > 1 ? words[1] : "";
  if (count != (way == "xdp" ? 4 : 3) || (way != "xdp" && way != "sockets")) {
    std::fputs("usage: floor sockets ADDRESS@PORT | floor xdp ADDRESS@PORT INTERFACE\n", stderr);
    return 2;
  }
  const auto endpoint = Endpoint::parse(words[2]);
  if (!endpoint) return failed(endpoint.error());
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  sigprocmask(SIG_BLOCK, &ending, nullptr);
  const std::vector<Endpoint> listen = {*endpoint};
  if (way == "sockets") {
    auto worker = UdpWorker::create(listen, std::make_unique<FixedAnswer>());
    return worker ? serve(**worker, ending) : failed(worker.error());
  }
  auto port = XdpPort::open(words[3], listen, {}, [] { return std::make_unique<FixedAnswer>(); });
  return port ? serve(**port, ending) : failed(port.error());
}
