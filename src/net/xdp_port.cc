#include "net/xdp_port.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <thread>

#include "base/log.h"
#include "base/thread_name.h"
#include "net/xdp_interface.h"

namespace understudy {
namespace {

// What is pinned for each is 16 MiB.
constexpr unsigned most_queues = 256;

}  // namespace

struct XdpPort::Impl {
  InterfaceFacts facts;
  std::vector<Endpoint> listen;
  XdpMode mode = XdpMode::native;
  std::optional<InterfaceNews> news;
  std::unique_ptr<XdpProgram> program;
  std::vector<std::unique_ptr<XdpWorker>> workers;
  UniqueFd wake{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::string last_failure;  // used by the watcher only
  std::thread watcher;

  // The program lets go before there is nobody who reads what it takes.
  ~Impl() {
    stop_watching();
    program.reset();
    for (auto& worker : workers) worker->stop();
  }
  Result<> open(const std::vector<Prefix>& balancers, const MakeHandler& make_handler);
  Result<> open_queue(unsigned queue, const std::vector<Prefix>& balancers, const MakeHandler& make_handler);
  Result<> set_endpoints();
  void watch();
  bool follow();
  void stop_watching();
};

Result<> XdpPort::Impl::set_endpoints() {
  US_ASSIGN(const auto endpoints, endpoints_on(facts.name, listen));
  return program->set_endpoints(endpoints);
}

/// In a thread of its own, as questions about interfaces may wait for the system's changes to others.
void XdpPort::Impl::watch() {
  std::array<pollfd, 2> watched{{{news->descriptor(), POLLIN, 0}, {wake.get(), POLLIN, 0}}};
  while (poll(watched.data(), watched.size(), -1) >= 0 || errno == EINTR) {
    if (watched[1].revents != 0) return;
    if (watched[0].revents != 0 && !follow()) return;
  }
}

/// What has become of the interface; false if it is gone.
bool XdpPort::Impl::follow() {
  news->read();
  const auto mtu = mtu_of_interface(facts.name, facts.index);
  if (!mtu) {
    log_error(
        "AF_XDP: {}: the interface is gone; sockets answer what comes by others; restart the server to use one of that "
        "name again",
        facts.name);
    return false;
  }
  for (auto& worker : workers) worker->set_mtu(*mtu);
  const auto set = set_endpoints();
  std::string failure = set ? "" : set.error().text();
  if (!set && failure != last_failure) {
    log_warning("AF_XDP: {}: new addresses are answered by sockets: {}; restart the server to have all of them taken",
                facts.name, failure);
  }
  last_failure = std::move(failure);
  return true;
}

void XdpPort::Impl::stop_watching() {
  const std::uint64_t one = 1;
  if (wake.is_open()) (void)!write(wake.get(), &one, sizeof one);
  if (watcher.joinable()) watcher.join();
}

Result<> XdpPort::Impl::open_queue(unsigned queue, const std::vector<Prefix>& balancers,
                                   const MakeHandler& make_handler) {
  US_ASSIGN(auto socket, XdpSocket::open(facts.name, queue, mode));
  const int descriptor = socket->descriptor();
  XdpWorkerOptions options{.interface = facts.name,
                           .interface_index = facts.index,
                           .queue = queue,
                           .mtu = facts.mtu,
                           .balancers = balancers};
  US_ASSIGN(auto worker, XdpWorker::create(std::move(socket), make_handler(), std::move(options)));
  workers.push_back(std::move(worker));
  return program->set_socket(queue, descriptor);
}

// The program comes first: whether the driver runs it decides whether sockets may do without copying. It takes nothing
// before the last step.
Result<> XdpPort::Impl::open(const std::vector<Prefix>& balancers, const MakeHandler& make_handler) {
  if (facts.mtu < XdpWorker::smallest_mtu)
    return fail(Errc::unsupported, fmt::format("its MTU of {} is too small", facts.mtu));
  if (facts.queues > most_queues) {
    return fail(Errc::unsupported,
                fmt::format("{} queues are more than {}; `ethtool -L` sets fewer", facts.queues, most_queues));
  }
  if (facts.hides_tags) {
    log_warning(
        "AF_XDP: {}: VLAN tags are taken off before frames are seen, and answers go without: turn that off with "
        "`ethtool -K {} rxvlan off`, or do not listen on addresses of its VLANs",
        facts.name, facts.name);
  }
  US_ASSIGN(program, XdpProgram::load(facts.queues));
  US_ASSIGN(mode, program->attach(facts.index));
  US_ASSIGN(news, InterfaceNews::open());
  if (!wake.is_open()) return fail(Errc::io, "eventfd: " + system_words(errno));
  for (unsigned queue = 0; queue < facts.queues; ++queue) US_TRY(open_queue(queue, balancers, make_handler));
  return set_endpoints();
}

XdpPort::XdpPort(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpPort::~XdpPort() = default;

Result<std::unique_ptr<XdpPort>> XdpPort::open(const std::string& interface, std::span<const Endpoint> listen,
                                               const std::vector<Prefix>& balancers, const MakeHandler& make_handler) {
  auto impl = std::make_unique<Impl>();
  US_ASSIGN(impl->facts, look_at_interface(interface));
  impl->listen.assign(listen.begin(), listen.end());
  US_TRY(impl->open(balancers, make_handler));
  return std::unique_ptr<XdpPort>(new XdpPort(std::move(impl)));
}

void XdpPort::start() {
  for (auto& worker : impl_->workers) worker->start();
  impl_->watcher = std::thread([impl = impl_.get()] {
    name_this_thread("us-xdp-watch");
    impl->watch();
  });
}

void XdpPort::stop() {
  impl_->stop_watching();
  for (auto& worker : impl_->workers) worker->stop();
}

const std::string& XdpPort::interface() const {
  return impl_->facts.name;
}

XdpMode XdpPort::mode() const {
  return impl_->mode;
}

std::span<const std::unique_ptr<XdpWorker>> XdpPort::workers() const {
  return impl_->workers;
}

XdpPassed XdpPort::passed(unsigned queue) const {
  return impl_->program->counters(queue);
}

std::string XdpPort::text() const {
  const XdpSocket& first = impl_->workers.front()->socket();
  return fmt::format("{}: {} mode, {} queue{}, {}, {} MiB pinned{}", interface(), xdp_mode_text(mode()),
                     impl_->workers.size(), impl_->workers.size() == 1 ? "" : "s",
                     first.is_zero_copy() ? "zero-copy" : "copying",
                     impl_->workers.size() * XdpSocket::frame_count * XdpSocket::frame_size >> 20,
                     first.has_huge_pages() ? " in huge pages" : "");
}

}  // namespace understudy
