#include "net/xdp_socket.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstring>
#include <thread>

#include "net/sockets.h"
#include "net/xdp_layout.h"

namespace understudy {
namespace {

constexpr std::size_t memory_size = std::size_t{XdpSocket::frame_size} * XdpSocket::frame_count;
constexpr std::size_t huge_page = 2U << 20;
constexpr std::uint32_t driver_headroom = 256;  // XDP_PACKET_HEADROOM
constexpr std::uint32_t answers_at = 2048;
// Frames lie a page apart, so all answers would start in the same few sets of the first-level cache: eight places.
constexpr std::uint32_t places = 8, place_step = 64;
constexpr int send_buffer = 1 << 20;
constexpr auto longest_wait_for_queue = std::chrono::seconds(2);

static_assert(driver_headroom + US_XDP_LONGEST_FRAME <= answers_at);
static_assert(answers_at + (places - 1) * place_step + XdpSocket::answer_room <= XdpSocket::frame_size);

/// The frames' memory. Reserved 2 MiB pages, or else pages of that size where the system makes them by itself.
class FrameMemory {
 public:
  FrameMemory() = default;
  ~FrameMemory() {
    if (mapped_ != nullptr) munmap(mapped_, mapped_size_);
  }
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;

  Result<> allocate() {
    constexpr int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void* memory = mmap(nullptr, memory_size, protection, flags | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    mapped_size_ = memory_size;
    reserved_ = memory != MAP_FAILED;
    if (!reserved_) {
      mapped_size_ = memory_size + huge_page;
      memory = mmap(nullptr, mapped_size_, protection, flags, -1, 0);
      if (memory == MAP_FAILED) return fail(Errc::io, "no memory for its frames: " + system_words(errno));
    }
    mapped_ = memory;
    const auto at = (reinterpret_cast<std::uintptr_t>(memory) + huge_page - 1) / huge_page * huge_page;
    start_ = reserved_ ? static_cast<std::uint8_t*>(memory) : reinterpret_cast<std::uint8_t*>(at);
    if (!reserved_) {
      (void)madvise(start_, memory_size, MADV_HUGEPAGE);
      std::memset(start_, 0, memory_size);
    }
    return {};
  }

  [[nodiscard]] std::uint8_t* start() const { return start_; }
  [[nodiscard]] bool is_reserved() const { return reserved_; }

 private:
  void* mapped_ = nullptr;
  std::size_t mapped_size_ = 0;
  std::uint8_t* start_ = nullptr;
  bool reserved_ = false;
};

Error socket_failure(unsigned queue, int error_number) {
  const std::string what = "queue " + std::to_string(queue) + ": " + system_words(error_number);
  switch (error_number) {
    case EPERM:
    case EACCES:
      return {Errc::refused, what + "; CAP_NET_RAW is needed"};
    case ENOBUFS:
    case ENOMEM:
      return {Errc::refused, what + "; CAP_IPC_LOCK is needed, or a higher limit of locked memory (16 MiB a queue)"};
    case EBUSY:
      return {Errc::refused, what + "; another program has an AF_XDP socket there"};
    case EAFNOSUPPORT:
      return {Errc::unsupported, what + "; the kernel has no AF_XDP (CONFIG_XDP_SOCKETS)"};
    default:
      return {Errc::unsupported, what};
  }
}

}  // namespace

struct XdpSocket::Impl {
  FrameMemory memory;  // released last: the kernel has it until the socket is closed
  xsk_umem* umem = nullptr;
  xsk_socket* socket = nullptr;
  xsk_ring_prod fill{}, tx{};
  xsk_ring_cons completion{}, rx{};
  int fd = -1;
  bool zero_copy = false;
  std::uint32_t to_fill = 0, to_send = 0;  // reserved in the rings, not yet handed over

  ~Impl() {
    if (socket != nullptr) xsk_socket__delete(socket);
    if (umem != nullptr) xsk_umem__delete(umem);
  }

  Result<> open(const std::string& interface, unsigned queue, XdpMode mode);
  int bind(const std::string& interface, unsigned queue, XdpMode mode);
  void give(std::uint64_t address);
  void take_back_sent();
  unsigned wake_sender();
};

int XdpSocket::Impl::bind(const std::string& interface, unsigned queue, XdpMode mode) {
  xsk_socket_config config{};
  config.rx_size = frame_count;
  config.tx_size = frame_count;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  // Without a word on copying the kernel tries without first.
  config.bind_flags = static_cast<__u16>(XDP_USE_NEED_WAKEUP | (mode == XdpMode::generic ? XDP_COPY : 0));
  return -xsk_socket__create(&socket, interface.c_str(), queue, umem, &rx, &tx, &config);
}

Result<> XdpSocket::Impl::open(const std::string& interface, unsigned queue, XdpMode mode) {
  US_TRY(memory.allocate());
  xsk_umem_config config{};
  config.fill_size = frame_count;
  config.comp_size = frame_count;
  config.frame_size = frame_size;
  if (const int error = -xsk_umem__create(&umem, memory.start(), memory_size, &fill, &completion, &config);
      error != 0) {
    return std::unexpected(socket_failure(queue, error));
  }
  const auto patience = std::chrono::steady_clock::now() + longest_wait_for_queue;
  int error = bind(interface, queue, mode);
  while (error == EBUSY && std::chrono::steady_clock::now() < patience) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    error = bind(interface, queue, mode);
  }
  if (error != 0) {
    socket = nullptr;
    return std::unexpected(socket_failure(queue, error));
  }
  fd = xsk_socket__fd(socket);
  xdp_options options{};
  socklen_t size = sizeof options;
  zero_copy = getsockopt(fd, SOL_XDP, XDP_OPTIONS, &options, &size) == 0 && (options.flags & XDP_OPTIONS_ZEROCOPY) != 0;
  // Only CAP_NET_ADMIN may go beyond the system's limit; less is no failure.
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof send_buffer) != 0) {
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer);
  }
  for (std::uint32_t i = 0; i < frame_count; ++i) give(std::uint64_t{i} * frame_size);
  xsk_ring_prod__submit(&fill, std::exchange(to_fill, 0));
  return {};
}

/// Makes a frame free for receiving. The ring has room for all that there are.
void XdpSocket::Impl::give(std::uint64_t address) {
  std::uint32_t at = 0;
  if (xsk_ring_prod__reserve(&fill, 1, &at) != 1) return;
  *xsk_ring_prod__fill_addr(&fill, at) = address & ~std::uint64_t{frame_size - 1};
  ++to_fill;
}

void XdpSocket::Impl::take_back_sent() {
  std::uint32_t at = 0;
  const std::uint32_t n = xsk_ring_cons__peek(&completion, frame_count, &at);
  if (n == 0) return;
  for (std::uint32_t i = 0; i < n; ++i) give(*xsk_ring_cons__comp_addr(&completion, at + i));
  xsk_ring_cons__release(&completion, n);
}

/// A call sends what it can: when copying, a few dozen frames; without, it starts the driver, which goes on by itself.
unsigned XdpSocket::Impl::wake_sender() {
  unsigned calls = 0;
  while (xsk_ring_prod__needs_wakeup(&tx) != 0) {
    const std::uint32_t before = __atomic_load_n(tx.consumer, __ATOMIC_ACQUIRE);
    ++calls;
    if (sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0) >= 0 || errno != EAGAIN) break;
    if (__atomic_load_n(tx.consumer, __ATOMIC_ACQUIRE) == before) break;  // no progress: later
  }
  return calls;
}

XdpSocket::XdpSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XdpSocket::~XdpSocket() = default;

Result<std::unique_ptr<XdpSocket>> XdpSocket::open(const std::string& interface, unsigned queue, XdpMode mode) {
  auto impl = std::make_unique<Impl>();
  US_TRY(impl->open(interface, queue, mode));
  return std::unique_ptr<XdpSocket>(new XdpSocket(std::move(impl)));
}

int XdpSocket::descriptor() const {
  return impl_->fd;
}

bool XdpSocket::is_zero_copy() const {
  return impl_->zero_copy;
}

bool XdpSocket::has_huge_pages() const {
  return impl_->memory.is_reserved();
}

std::size_t XdpSocket::receive(std::span<Frame> frames) {
  std::uint32_t at = 0;
  const std::uint32_t n = xsk_ring_cons__peek(&impl_->rx, static_cast<std::uint32_t>(frames.size()), &at);
  for (std::uint32_t i = 0; i < n; ++i) {
    const xdp_desc* received = xsk_ring_cons__rx_desc(&impl_->rx, at + i);
    const std::uint64_t number = received->addr / frame_size;
    std::uint8_t* frame = impl_->memory.start() + number * frame_size;
    frames[i] = {impl_->memory.start() + received->addr, received->len,
                 frame + answers_at + (number % places) * place_step};
  }
  if (n != 0) xsk_ring_cons__release(&impl_->rx, n);
  return n;
}

void XdpSocket::send(const Frame& frame, std::size_t size) {
  std::uint32_t at = 0;
  if (xsk_ring_prod__reserve(&impl_->tx, 1, &at) != 1) return;
  *xsk_ring_prod__tx_desc(&impl_->tx, at) = {.addr = static_cast<std::uint64_t>(frame.answer - impl_->memory.start()),
                                             .len = static_cast<std::uint32_t>(size),
                                             .options = 0};
  ++impl_->to_send;
}

void XdpSocket::release(const Frame& frame) {
  impl_->give(static_cast<std::uint64_t>(frame.octets - impl_->memory.start()));
}

bool XdpSocket::has_unsent() const {
  return __atomic_load_n(impl_->tx.consumer, __ATOMIC_ACQUIRE) != *impl_->tx.producer;
}

unsigned XdpSocket::flush() {
  unsigned calls = 0;
  if (impl_->to_send != 0) xsk_ring_prod__submit(&impl_->tx, std::exchange(impl_->to_send, 0));
  if (has_unsent()) calls += impl_->wake_sender();
  impl_->take_back_sent();
  if (impl_->to_fill != 0) xsk_ring_prod__submit(&impl_->fill, std::exchange(impl_->to_fill, 0));
  if (xsk_ring_prod__needs_wakeup(&impl_->fill) != 0) {
    ++calls;
    (void)recvfrom(impl_->fd, nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  }
  return calls;
}

XdpLosses XdpSocket::losses() const {
  xdp_statistics counted{};
  socklen_t size = sizeof counted;
  if (getsockopt(impl_->fd, SOL_XDP, XDP_STATISTICS, &counted, &size) != 0) return {};
  return {counted.rx_ring_full, counted.rx_fill_ring_empty_descs,
          counted.rx_dropped + counted.rx_invalid_descs + counted.tx_invalid_descs};
}

}  // namespace understudy
