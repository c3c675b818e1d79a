#include "net/xdp_worker.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <thread>

#include "base/log.h"
#include "base/qsbr.h"
#include "base/thread_name.h"
#include "net/balancer_headers.h"
#include "net/sockets.h"
#include "net/xdp_frame.h"

namespace understudy {
namespace {

constexpr std::size_t batch_size = XdpWorker::batch_size;

constexpr std::size_t cache_line = 64;

// After so many batches the stop request gets its turn.
constexpr int rounds_per_turn = 64;

/// Everything that one batch touches. Frames that hold no query have no place but the first array.
struct Batch {
  std::array<XdpSocket::Frame, batch_size> frames{};
  std::array<std::size_t, batch_size> frame_of{};  // of a datagram
  std::array<UdpFrame, batch_size> where{};
  std::array<Datagram, batch_size> datagrams{};
  std::array<ClientAddress, batch_size> peers{};
  std::array<sockaddr_storage, batch_size> clients{};  // behind balancers
};

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) {
  // One writer: a plain addition, not a locked one.
  if (n != 0) counter.store(counter.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

struct XdpWorker::Impl {
  Impl(std::unique_ptr<XdpSocket> s, std::unique_ptr<DatagramHandler> h, XdpWorkerOptions o)
      : options(std::move(o)),
        handler(std::move(h)),
        wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
        socket(std::move(s)),
        balancers(options.balancers),
        identification(std::random_device{}()) {}

  // Constant after create(), until the thread has ended.
  const XdpWorkerOptions options;
  const std::unique_ptr<DatagramHandler> handler;
  const UniqueFd wake;

  // Used by the worker's thread only, but for the statistics.
  const std::unique_ptr<XdpSocket> socket;
  BalancerHeaders balancers;
  std::uint32_t identification;
  int errors_in_a_row = 0;
  std::unique_ptr<Batch> batch = std::make_unique<Batch>();

  // Used by the owner's thread only.
  std::thread thread;

  std::atomic<bool> stopping{false};
  std::atomic<unsigned> mtu{options.mtu};
  XdpCounters counters;

  void run();
  bool sleep();
  bool is_usable();
  bool report(const std::string& why) const;
  void serve(std::size_t received);
  void prefetch(std::size_t received) const;
  std::size_t read(std::size_t received);
  bool take(const XdpSocket::Frame& frame, UdpFrame& where);
  std::size_t send(std::size_t queries);
  std::uint16_t next_identification();
};

/// Numbers the packets that a router may split, without repeating one soon (RFC 6864 section 4.3).
std::uint16_t XdpWorker::Impl::next_identification() {
  identification = identification * 1'664'525 + 1'013'904'223;
  return static_cast<std::uint16_t>(identification >> 16);
}

bool XdpWorker::Impl::take(const XdpSocket::Frame& frame, UdpFrame& where) {
  switch (read_udp_frame({frame.octets, frame.size}, where)) {
    case FrameVerdict::query:
      return true;
    case FrameVerdict::bad_checksum:
      add(counters.bad_checksum, 1);
      return false;
    case FrameVerdict::forged:
      add(counters.forged, 1);
      return false;
    case FrameVerdict::not_ours:
      add(counters.not_ours, 1);
      return false;
  }
  return false;
}

/// What was received lies in another core's cache, and nobody has touched the places of the answers for thousands of
/// frames: asked for all at once, they come while others are worked on. Headers and a question have 128 octets as a
/// rule, the answer some more.
void XdpWorker::Impl::prefetch(std::size_t received) const {
  constexpr int for_writing = 1;
  for (std::size_t i = 0; i < received; ++i) {
    __builtin_prefetch(batch->frames[i].octets);
    __builtin_prefetch(batch->frames[i].octets + cache_line);
  }
  for (std::size_t i = 0; i < received; ++i) {
    for (std::size_t at = 0; at < 3 * cache_line; at += cache_line) {
      __builtin_prefetch(batch->frames[i].answer + at, for_writing);
    }
  }
}

/// The received frames become datagrams; returns how many.
std::size_t XdpWorker::Impl::read(std::size_t received) {
  prefetch(received);
  std::size_t queries = 0;
  for (std::size_t i = 0; i < received; ++i) {
    const XdpSocket::Frame& frame = batch->frames[i];
    UdpFrame& where = batch->where[queries];
    if (!take(frame, where)) {
      socket->release(frame);
      continue;
    }
    ClientAddress& peer = batch->peers[queries];
    read_client({frame.octets, frame.size}, where, options.interface_index, peer);
    // Neither more than the frame has room for nor than one packet of the interface holds.
    const std::size_t packet =
        std::min<std::size_t>(mtu.load(std::memory_order_relaxed), XdpSocket::answer_room - where.ip_at);
    Datagram& datagram = batch->datagrams[queries];
    datagram.query = frame.octets + where.payload_at;
    datagram.query_size = where.payload_size;
    datagram.response = frame.answer + where.payload_at;
    datagram.response_capacity = static_cast<std::uint32_t>(packet - (where.payload_at - where.ip_at));
    datagram.response_size = 0;
    datagram.peer = &peer.generic;
    batch->frame_of[queries] = i;
    if (!balancers.are_none() && !balancers.take_off(datagram, sizeof peer, batch->clients[queries])) {
      add(counters.without_proxy_header, 1);
    }
    ++queries;
  }
  return queries;
}

/// Returns how many answers there were.
std::size_t XdpWorker::Impl::send(std::size_t queries) {
  std::size_t answers = 0;
  for (std::size_t i = 0; i < queries; ++i) {
    const XdpSocket::Frame& frame = batch->frames[batch->frame_of[i]];
    const std::size_t size = batch->datagrams[i].response_size;
    if (size == 0) {
      socket->release(frame);
      continue;
    }
    const UdpFrame& where = batch->where[i];
    socket->send(frame,
                 write_answer_headers({frame.octets, frame.size}, where, next_identification(), frame.answer, size));
    ++answers;
  }
  return answers;
}

void XdpWorker::Impl::serve(std::size_t received) {
  const std::size_t queries = read(received);
  if (queries != 0) handler->answer_batch(std::span(batch->datagrams).first(queries));
  const std::size_t answers = send(queries);
  add(counters.wakeups, socket->flush());
  add(counters.received, received);
  add(counters.batches, 1);
  add(counters.answered, answers);
  add(counters.unanswered, queries - answers);
}

/// False for a socket that would have the thread spin.
bool XdpWorker::Impl::is_usable() {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(socket->descriptor(), SOL_SOCKET, SO_ERROR, &error, &size) == 0 && ++errors_in_a_row < 1000;
}

bool XdpWorker::Impl::report(const std::string& why) const {
  log_error("AF_XDP: {}, queue {}: the thread stops: {}; restart the server to use the queue again", options.interface,
            options.queue, why);
  return false;
}

/// Until there is something to do; false if there never will be.
bool XdpWorker::Impl::sleep() {
  std::array<pollfd, 2> watched{{{socket->descriptor(), POLLIN, 0}, {wake.get(), POLLIN, 0}}};
  const int patience = socket->has_unsent() ? 1 : -1;
  QsbrReader::offline();
  const int n = poll(watched.data(), watched.size(), patience);
  const int error = errno;
  QsbrReader::online();
  add(counters.sleeps, 1);
  // Errors are those of the past, such as that the interface was down for a while: asked for, they are over.
  if (n < 0 && error != EINTR) return report(system_words(error));
  if ((watched[0].revents & (POLLERR | POLLNVAL)) != 0 && !is_usable())
    return report("its socket is of no use any more");
  if (n > 0 && (watched[0].revents & POLLIN) != 0) errors_in_a_row = 0;
  return true;
}

void XdpWorker::Impl::run() {
  const QsbrReader reader;
  while (!stopping.load(std::memory_order_acquire)) {
    std::size_t received = 0;
    for (int round = 0; round < rounds_per_turn; ++round) {
      received = socket->receive(batch->frames);
      if (received == 0) break;
      serve(received);
      QsbrReader::quiescent();
    }
    if (received != 0) continue;
    add(counters.wakeups, socket->flush());
    if (!sleep()) return;
  }
}

XdpWorker::XdpWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

XdpWorker::~XdpWorker() {
  stop();
}

Result<std::unique_ptr<XdpWorker>> XdpWorker::create(std::unique_ptr<XdpSocket> socket,
                                                     std::unique_ptr<DatagramHandler> handler,
                                                     XdpWorkerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(socket), std::move(handler), std::move(options));
  if (!impl->wake.is_open()) return fail(Errc::io, "eventfd: " + system_words(errno));
  return std::unique_ptr<XdpWorker>(new XdpWorker(std::move(impl)));
}

void XdpWorker::start() {
  impl_->thread = std::thread([impl = impl_.get()] {
    // "us-xdp-eth0-3": names have 15 octets, and the queue's number is what tells threads apart.
    const std::string queue = "-" + std::to_string(impl->options.queue);
    name_this_thread(
        ("us-xdp-" + impl->options.interface.substr(0, 8 - std::min<std::size_t>(queue.size(), 8)) + queue).c_str());
    impl->run();
  });
}

void XdpWorker::stop() {
  impl_->stopping.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  (void)!write(impl_->wake.get(), &one, sizeof one);
  if (impl_->thread.joinable()) impl_->thread.join();
}

void XdpWorker::set_mtu(unsigned mtu) {
  impl_->mtu.store(std::max(mtu, smallest_mtu), std::memory_order_relaxed);
}

const XdpCounters& XdpWorker::counters() const {
  return impl_->counters;
}

const XdpSocket& XdpWorker::socket() const {
  return *impl_->socket;
}

}  // namespace understudy
