#include "net/xdp_port.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/log.h"
#include "net/xdp_interface.h"

namespace understudy {
namespace {

// Every answer has room for the 512 octets that any client takes (RFC 1035 section 4.2.1), over IPv6 too.
constexpr unsigned smallest_mtu = 576;
// What is pinned for each is 16 MiB.
constexpr unsigned most_queues = 256;

}  // namespace

struct XdpPort::Impl {
  InterfaceFacts facts;
  std::vector<Endpoint> listen;
  XdpMode mode = XdpMode::native;
  std::optional<AddressNews> news;
  std::unique_ptr<XdpProgram> program;
  std::vector<std::unique_ptr<XdpWorker>> workers;  // before the program, which lets go first

  ~Impl() {
    for (auto& worker : workers) worker->stop();
    program.reset();
  }
  Result<> open(const std::vector<Prefix>& balancers, const MakeHandler& make_handler);
  Result<> open_queue(unsigned queue, const std::vector<Prefix>& balancers, const MakeHandler& make_handler);
  Result<> set_endpoints();
  void read_news();
};

Result<> XdpPort::Impl::set_endpoints() {
  US_ASSIGN(const auto endpoints, endpoints_on(facts.name, listen));
  return program->set_endpoints(endpoints);
}

/// In the first worker's thread, once it runs.
void XdpPort::Impl::read_news() {
  news->read();
  if (const auto set = set_endpoints(); !set) {
    log_warning("AF_XDP: {}: new addresses are answered by sockets: {}; restart the server to have all of them taken",
                facts.name, set.error().text());
  }
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
  if (queue == 0 && news) {
    options.news = news->descriptor();
    options.on_news = [this] { read_news(); };
  }
  US_ASSIGN(auto worker, XdpWorker::create(std::move(socket), make_handler(), std::move(options)));
  workers.push_back(std::move(worker));
  return program->set_socket(queue, descriptor);
}

// The program comes first: whether the driver runs it decides whether sockets may do without copying. It takes nothing
// before the last step.
Result<> XdpPort::Impl::open(const std::vector<Prefix>& balancers, const MakeHandler& make_handler) {
  if (facts.mtu < smallest_mtu) return fail(Errc::unsupported, fmt::format("its MTU of {} is too small", facts.mtu));
  if (facts.queues > most_queues) {
    return fail(Errc::unsupported,
                fmt::format("{} queues are more than {}; `ethtool -L` sets fewer", facts.queues, most_queues));
  }
  US_ASSIGN(program, XdpProgram::load(facts.queues));
  US_ASSIGN(mode, program->attach(facts.index));
  if (std::ranges::any_of(listen, [](const Endpoint& e) { return e.address.is_unspecified(); })) {
    US_ASSIGN(news, AddressNews::open());
  }
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
}

void XdpPort::stop() {
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
  return fmt::format(
      "{}: {} mode, {} queue{}, {}, {} MiB pinned{}{}", interface(), xdp_mode_text(mode()), impl_->workers.size(),
      impl_->workers.size() == 1 ? "" : "s", first.is_zero_copy() ? "zero-copy" : "copying",
      impl_->workers.size() * XdpSocket::frame_count * XdpSocket::frame_size >> 20,
      first.has_huge_pages() ? " in huge pages" : "",
      impl_->facts.strips_tags ? "; VLAN tags are taken off before: see the manual if there are VLANs" : "");
}

}  // namespace understudy
