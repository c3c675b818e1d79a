#include "net/udp_worker.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "base/log.h"
#include "base/qsbr.h"
#include "base/thread_name.h"
#include "net/balancer_headers.h"
#include "net/proxy_protocol.h"

namespace understudy {
namespace {

constexpr std::size_t batch_size = UdpWorker::batch_size;
constexpr std::size_t query_capacity = UdpWorker::query_capacity;
constexpr std::size_t response_capacity = UdpWorker::response_capacity;

// Buffers a power of two apart would all start in the same few sets of the first-level cache. One line more for
// queries and three for responses (which are longer) makes the starts of a batch fall into different sets.
constexpr std::size_t cache_line = 64;
constexpr std::size_t response_stride = response_capacity + 3 * cache_line;

// After so many full batches from one socket, the others and the stop request get their turn.
constexpr int rounds_per_turn = 16;

struct Socket {
  UniqueFd fd;
  Endpoint local;
};

union PeerAddress {
  sockaddr generic;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

struct Control {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

/// Everything that one batch touches, allocated once.
struct Batch {
  const std::size_t stride;  // from query to query
  Bytes octets;              // the queries lie here, each at the start of a cache line
  std::uint8_t* queries;
  alignas(cache_line) std::array<std::uint8_t, batch_size * response_stride> responses;
  std::array<Datagram, batch_size> datagrams{};
  std::array<PeerAddress, batch_size> peers{};
  std::array<sockaddr_storage, batch_size> clients{};  // behind balancers
  std::array<Control, batch_size> controls{};
  std::array<iovec, batch_size> in_parts{};
  std::array<iovec, batch_size> out_parts{};
  std::array<mmsghdr, batch_size> in{};
  std::array<mmsghdr, batch_size> out{};

  // Where headers of balancers may come, there is room for the longest beside the query.
  explicit Batch(bool has_headers)
      : stride(query_capacity + (has_headers ? ProxyHeader::max_size : 0) + cache_line),
        octets((batch_size + 1) * stride),
        queries(octets.data() + (-reinterpret_cast<std::uintptr_t>(octets.data()) & (cache_line - 1))) {
    for (std::size_t i = 0; i < batch_size; ++i) {
      in_parts[i] = {query(i), stride - cache_line};
      in[i].msg_hdr.msg_iov = &in_parts[i];
      in[i].msg_hdr.msg_iovlen = 1;
      in[i].msg_hdr.msg_name = &peers[i];
      in[i].msg_hdr.msg_control = controls[i].bytes.data();
      out[i].msg_hdr.msg_iov = &out_parts[i];
      out[i].msg_hdr.msg_iovlen = 1;
      datagrams[i].response = &responses[i * response_stride];
      datagrams[i].response_capacity = response_capacity;
      reset_lengths(i);
    }
  }

  [[nodiscard]] std::uint8_t* query(std::size_t i) { return queries + i * stride; }

  /// What was received is the query, and who sent it asks.
  void take_as_received(std::size_t i) {
    datagrams[i].query = query(i);
    datagrams[i].query_size = in[i].msg_len;
    datagrams[i].peer = &peers[i].generic;
    datagrams[i].response_size = 0;
  }

  /// recvmmsg overwrites them.
  void reset_lengths(std::size_t i) {
    in[i].msg_hdr.msg_namelen = sizeof(PeerAddress);
    in[i].msg_hdr.msg_controllen = sizeof(Control);
  }
};

/// The destination that came with a query is, with one change, the source to ask for with its answer: the interface
/// is left to the routing table, except for link-local addresses, which mean nothing without it.
void turn_control_around(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      reinterpret_cast<in_pktinfo*>(CMSG_DATA(c))->ipi_ifindex = 0;
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      auto* info = reinterpret_cast<in6_pktinfo*>(CMSG_DATA(c));
      if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
    }
  }
}

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  // One writer: a plain addition, not a locked one.
  if (n != 0) counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

struct UdpWorker::Impl {
  explicit Impl(std::vector<Prefix> who) : balancers(std::move(who)) {}

  // Constant after create(), until the thread has ended.
  std::vector<Socket> sockets;
  std::unique_ptr<DatagramHandler> handler;
  UniqueFd poll;
  UniqueFd wake;

  // Used by the worker's thread only.
  BalancerHeaders balancers;
  std::unique_ptr<Batch> batch;

  // Used by the owner's thread only.
  std::thread thread;

  std::atomic<bool> stopping{false};
  UdpCounters counters;

  Result<> open(std::span<const Endpoint> listen, const UdpSocketOptions& options);
  Result<> watch(int fd, std::uint64_t index);
  void run();
  void serve(int fd);
  std::size_t receive(int fd);
  void answer(std::size_t received);
  void send(int fd, std::size_t received);
  std::size_t collect_answers(std::size_t received);
};

Result<> UdpWorker::Impl::watch(int fd, std::uint64_t index) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  if (epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return fail(Errc::io, "epoll_ctl: " + system_words(errno));
  }
  return {};
}

Result<> UdpWorker::Impl::open(std::span<const Endpoint> listen, const UdpSocketOptions& options) {
  poll = UniqueFd(epoll_create1(EPOLL_CLOEXEC));
  wake = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!poll.is_open() || !wake.is_open()) return fail(Errc::io, "epoll: " + system_words(errno));
  for (const Endpoint& endpoint : listen) {
    US_ASSIGN(UniqueFd fd, open_udp_socket(endpoint, options));
    US_ASSIGN(const Endpoint local, local_endpoint(fd.get()));
    US_TRY(watch(fd.get(), sockets.size()));
    sockets.push_back({std::move(fd), local});
  }
  return watch(wake.get(), sockets.size());
}

std::size_t UdpWorker::Impl::receive(int fd) {
  const int n = recvmmsg(fd, batch->in.data(), batch_size, MSG_DONTWAIT, nullptr);
  if (n >= 0) return static_cast<std::size_t>(n);
  // Reading an error takes it off the socket, so none of them can make the loop spin.
  if (errno != EAGAIN && errno != EINTR) add(counters.receive_errors, 1);
  return 0;
}

void UdpWorker::Impl::answer(std::size_t received) {
  for (std::size_t i = 0; i < received; ++i) batch->take_as_received(i);
  for (std::size_t i = 0; i < received && !balancers.are_none(); ++i) {
    Datagram& datagram = batch->datagrams[i];
    const bool whole = balancers.take_off(datagram, batch->in[i].msg_hdr.msg_namelen, batch->clients[i]);
    if (!whole) add(counters.without_proxy_header, 1);
    datagram.query_size = std::min(datagram.query_size, static_cast<std::uint32_t>(query_capacity));
  }
  handler->answer_batch(std::span(batch->datagrams).first(received));
}

std::size_t UdpWorker::Impl::collect_answers(std::size_t received) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < received; ++i) {
    const Datagram& datagram = batch->datagrams[i];
    msghdr& query = batch->in[i].msg_hdr;
    if (datagram.response_size != 0) {
      msghdr& out = batch->out[count].msg_hdr;
      batch->out_parts[count] = {datagram.response, datagram.response_size};
      out.msg_name = query.msg_name;
      out.msg_namelen = query.msg_namelen;
      out.msg_control = nullptr;
      out.msg_controllen = 0;
      if (query.msg_controllen != 0) {
        turn_control_around(query);
        out.msg_control = query.msg_control;
        out.msg_controllen = query.msg_controllen;
      }
      ++count;
    }
    batch->reset_lengths(i);
  }
  return count;
}

void UdpWorker::Impl::send(int fd, std::size_t received) {
  const std::size_t count = collect_answers(received);
  std::size_t done = 0;
  std::size_t dropped = 0;
  while (done < count) {
    const int n = sendmmsg(fd, &batch->out[done], static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
      dropped += count - done;  // the send buffer is full: the rest would fare no better
      break;
    } else {
      ++done;  // this one cannot be sent (port 0, unreachable, forbidden): the next may
      ++dropped;
    }
  }
  add(counters.answered, count - dropped);
  add(counters.unanswered, received - count);
  add(counters.dropped, dropped);
}

void UdpWorker::Impl::serve(int fd) {
  for (int round = 0; round < rounds_per_turn; ++round) {
    const std::size_t received = receive(fd);
    if (received == 0) return;
    add(counters.received, received);
    add(counters.batches, 1);
    answer(received);
    send(fd, received);
    QsbrReader::quiescent();
    // A short batch emptied the socket; asking once more would nearly always only tell so.
    if (received < batch_size) return;
  }
}

void UdpWorker::Impl::run() {
  const QsbrReader reader;
  std::array<epoll_event, 16> events{};
  while (!stopping.load(std::memory_order_acquire)) {
    QsbrReader::offline();
    const int n = epoll_wait(poll.get(), events.data(), events.size(), -1);
    QsbrReader::online();
    if (n < 0 && errno != EINTR) {
      log_error("a UDP worker stops: epoll_wait: {}; the other workers take its queries; restart the server",
                system_words(errno));
      // The kernel would go on giving this worker's share of the queries to sockets that nobody reads.
      for (Socket& socket : sockets) socket.fd.reset();
      return;
    }
    for (int i = 0; i < n; ++i) {
      const std::uint64_t index = events[static_cast<std::size_t>(i)].data.u64;
      if (index < sockets.size()) serve(sockets[index].fd.get());
    }
  }
}

UdpWorker::UdpWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

UdpWorker::~UdpWorker() {
  stop();
}

Result<std::unique_ptr<UdpWorker>> UdpWorker::create(std::span<const Endpoint> listen,
                                                     std::unique_ptr<DatagramHandler> handler,
                                                     const UdpSocketOptions& options, std::vector<Prefix> balancers) {
  auto impl = std::make_unique<Impl>(std::move(balancers));
  impl->batch = std::make_unique<Batch>(!impl->balancers.are_none());
  impl->handler = std::move(handler);
  US_TRY(impl->open(listen, options));
  return std::unique_ptr<UdpWorker>(new UdpWorker(std::move(impl)));
}

void UdpWorker::start() {
  impl_->thread = std::thread([impl = impl_.get()] {
    name_this_thread("us-udp");
    impl->run();
  });
}

void UdpWorker::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  // The event descriptor's counter cannot overflow from a few stops, so the write cannot fail.
  if (impl_->wake.is_open()) (void)!write(impl_->wake.get(), &one, sizeof one);
  if (impl_->thread.joinable()) impl_->thread.join();
  for (Socket& socket : impl_->sockets) socket.fd.reset();
}

const UdpCounters& UdpWorker::counters() const {
  return impl_->counters;
}

std::vector<Endpoint> UdpWorker::local_endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const Socket& socket : impl_->sockets) endpoints.push_back(socket.local);
  return endpoints;
}

}  // namespace understudy
