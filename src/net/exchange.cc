#include "net/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "net/alarm.h"
#include "net/client_socket.h"
#include "net/rate_meter.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;
using SteadyClock = std::chrono::steady_clock;
using TimePoint = SteadyClock::time_point;
using client::cancelled;
using client::failure;
using client::is_set;
using client::no_socket;
using client::open_for;
using client::seconds_text;
using client::to_asio;
using client::without_exceptions;
using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t udp_answer_capacity = 4096;
constexpr std::size_t prefix_size = 2;
constexpr std::size_t message_limit = 65535;
constexpr std::size_t first_receive_capacity = 4096;
// Room for one message of any size, and for reading on behind a smaller one.
constexpr std::size_t receive_capacity = 2 * (prefix_size + message_limit);

template <typename Socket>
void cancel_operations(Socket& socket) {
  error_code ignored;  // a socket that is closed has none
  socket.cancel(ignored);
}

asio::awaitable<Result<Bytes>> exchange_datagrams(Endpoint peer, ByteView query, Milliseconds timeout,
                                                  std::function<bool(ByteView)> accept,
                                                  std::optional<IpAddress> source) {
  udp::socket socket(co_await asio::this_coro::executor);
  Alarm alarm(socket.get_executor(), [&socket] { cancel_operations(socket); });
  error_code error = open_for(socket, peer, source);
  if (error) co_return no_socket(peer, error);
  // Connecting chooses a random port that is ours alone, and makes the kernel drop what comes from elsewhere.
  socket.connect(to_asio<udp>(peer), error);
  if (!error) socket.send(asio::buffer(query.data(), query.size()), 0, error);
  if (error) co_return failure(Errc::connect_failed, peer, error);

  alarm.set(SteadyClock::now() + timeout);
  Bytes answer(udp_answer_capacity);
  unsigned strangers = 0;
  while (!is_set(co_await asio::this_coro::cancellation_state)) {
    const std::size_t size =
        co_await socket.async_receive(asio::buffer(answer), asio::redirect_error(asio::use_awaitable, error));
    if (!error && accept(ByteView(answer).first(size))) {
      answer.resize(size);
      co_return answer;
    }
    if (alarm.has_rung()) {
      co_return fail(Errc::timed_out, fmt::format("{}: no answer within {}", peer.text(), seconds_text(timeout)));
    }
    if (!error && ++strangers == client::most_strangers)
      co_return std::unexpected(client::too_many_strangers(peer, strangers));
    if (error == asio::error::operation_aborted) break;
    if (error == asio::error::connection_refused) co_return failure(Errc::connect_failed, peer, error);
    if (error) co_return failure(Errc::io, peer, error);
  }
  co_return cancelled(peer);
}

}  // namespace

asio::awaitable<Result<Bytes>> udp_exchange(Endpoint peer, ByteView query, Milliseconds timeout,
                                            std::function<bool(ByteView)> accept, std::optional<IpAddress> source) {
  return without_exceptions(exchange_datagrams(peer, query, timeout, std::move(accept), source), peer);
}

struct TcpExchange::Impl {
  explicit Impl(const asio::any_io_executor& executor)
      : socket(executor), alarm(executor, [this] { cancel_operations(socket); }) {}

  tcp::socket socket;
  Alarm alarm;
  Endpoint peer;
  Bytes buffer;
  std::size_t begin = 0;  // what was received and not yet returned lies in [begin, end)
  std::size_t end = 0;
  std::uint64_t received = 0;
  RateMeter rate;

  void close();
  [[nodiscard]] std::optional<std::size_t> buffered_message() const;
  void make_room();
  [[nodiscard]] Error read_error(const error_code& error, const ReceiveLimits& limits, TimePoint start,
                                 TimePoint stalled_at) const;
  asio::awaitable<Result<>> read_some(ReceiveLimits limits);

  // Each keeps the connection alive while it is under way.
  static asio::awaitable<Result<>> connect(std::shared_ptr<Impl> self, Milliseconds timeout,
                                           std::optional<IpAddress> source);
  static asio::awaitable<Result<>> send(std::shared_ptr<Impl> self, ByteView message, Milliseconds timeout);
  static asio::awaitable<Result<ByteView>> receive(std::shared_ptr<Impl> self, ReceiveLimits limits);
};

void TcpExchange::Impl::close() {
  error_code ignored;  // there is nothing to do about it
  socket.close(ignored);
  alarm.clear();
}

asio::awaitable<Result<>> TcpExchange::Impl::connect(std::shared_ptr<Impl> self, Milliseconds timeout,
                                                     std::optional<IpAddress> source) {
  tcp::socket& socket = self->socket;
  error_code error = open_for(socket, self->peer, source);
  if (error) {
    self->close();
    co_return no_socket(self->peer, error);
  }
  self->alarm.set(SteadyClock::now() + timeout);
  co_await socket.async_connect(to_asio<tcp>(self->peer), asio::redirect_error(asio::use_awaitable, error));
  self->alarm.clear();
  if (!error && !is_set(co_await asio::this_coro::cancellation_state)) {
    error_code ignored;  // without it requests may only arrive later
    socket.set_option(tcp::no_delay(true), ignored);
    co_return Result<>{};
  }
  const bool closed = !socket.is_open();
  self->close();
  if (self->alarm.has_rung()) {
    co_return fail(Errc::timed_out,
                   fmt::format("{}: no connection within {}", self->peer.text(), seconds_text(timeout)));
  }
  if (!error || closed || error == asio::error::operation_aborted) co_return cancelled(self->peer);
  co_return failure(Errc::connect_failed, self->peer, error);
}

asio::awaitable<Result<>> TcpExchange::Impl::send(std::shared_ptr<Impl> self, ByteView message, Milliseconds timeout) {
  if (message.size() > message_limit) co_return fail(Errc::no_space, self->peer.text());
  if (!self->socket.is_open()) co_return fail(Errc::connection_closed, self->peer.text());
  std::array<std::uint8_t, prefix_size> prefix{};
  store_u16(prefix.data(), static_cast<std::uint16_t>(message.size()));
  const std::array<asio::const_buffer, 2> parts = {asio::buffer(prefix), asio::buffer(message.data(), message.size())};
  error_code error;
  self->alarm.set(SteadyClock::now() + timeout);
  co_await asio::async_write(self->socket, parts, asio::redirect_error(asio::use_awaitable, error));
  self->alarm.clear();
  if (!error) co_return Result<>{};
  if (self->alarm.has_rung()) {
    co_return fail(Errc::timed_out,
                   fmt::format("{}: the request was not taken within {}", self->peer.text(), seconds_text(timeout)));
  }
  if (error == asio::error::operation_aborted) co_return cancelled(self->peer);
  co_return failure(Errc::connection_closed, self->peer, error);
}

std::optional<std::size_t> TcpExchange::Impl::buffered_message() const {
  if (end - begin < prefix_size) return std::nullopt;
  const std::size_t size = load_u16(&buffer[begin]);
  if (end - begin < prefix_size + size) return std::nullopt;
  return size;
}

void TcpExchange::Impl::make_room() {
  if (begin != 0) {
    std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(begin), buffer.begin() + static_cast<std::ptrdiff_t>(end),
              buffer.begin());
    end -= begin;
    begin = 0;
  }
  // Starts small, for most connections carry one answer; a full buffer shows that more comes.
  if (buffer.empty()) buffer.resize(first_receive_capacity);
  if (end == buffer.size()) buffer.resize(receive_capacity);
}

Error TcpExchange::Impl::read_error(const error_code& error, const ReceiveLimits& limits, TimePoint start,
                                    TimePoint stalled_at) const {
  const auto now = SteadyClock::now();
  if (alarm.has_rung() && limits.deadline && now >= *limits.deadline) {
    return {Errc::timed_out, fmt::format("{}: after {} octets", peer.text(), received)};
  }
  if (alarm.has_rung() && now >= stalled_at) {
    return {Errc::stalled, fmt::format("{}: nothing came for {} after {} octets", peer.text(),
                                       seconds_text(stalled_at - start), received)};
  }
  if (alarm.has_rung()) return {Errc::too_slow, fmt::format("{}: {}", peer.text(), rate.text(limits))};
  if (error == asio::error::operation_aborted) return {Errc::cancelled, peer.text()};
  if (error == asio::error::eof) {
    return {Errc::connection_closed,
            fmt::format("{}: after {} octets{}", peer.text(), received, begin != end ? ", inside a message" : "")};
  }
  const bool reset = error == asio::error::connection_reset || error == asio::error::broken_pipe;
  return {reset ? Errc::connection_closed : Errc::io,
          fmt::format("{}: {} after {} octets", peer.text(), error.message(), received)};
}

asio::awaitable<Result<>> TcpExchange::Impl::read_some(ReceiveLimits limits) {
  const TimePoint start = SteadyClock::now();
  TimePoint stalled_at = start + limits.stall;
  if (received == 0 && limits.first_octet_by) stalled_at = std::clamp(*limits.first_octet_by, start, stalled_at);
  TimePoint alarm_at = stalled_at;
  if (limits.minimum_rate != 0) alarm_at = std::min(alarm_at, rate.too_slow_at(limits, start));
  if (limits.deadline) alarm_at = std::min(alarm_at, *limits.deadline);

  alarm.set(alarm_at);
  error_code error;
  const std::size_t size = co_await socket.async_read_some(asio::buffer(&buffer[end], buffer.size() - end),
                                                           asio::redirect_error(asio::use_awaitable, error));
  alarm.clear();
  end += size;
  received += size;
  const bool fast_enough = limits.minimum_rate == 0 || rate.add(limits, SteadyClock::now() - start, size);
  if (error) co_return std::unexpected(read_error(error, limits, start, stalled_at));
  if (!fast_enough) co_return fail(Errc::too_slow, fmt::format("{}: {}", peer.text(), rate.text(limits)));
  if (limits.deadline && SteadyClock::now() >= *limits.deadline) {
    co_return fail(Errc::timed_out, fmt::format("{}: after {} octets", peer.text(), received));
  }
  co_return Result<>{};
}

asio::awaitable<Result<ByteView>> TcpExchange::Impl::receive(std::shared_ptr<Impl> self, ReceiveLimits limits) {
  while (true) {
    if (is_set(co_await asio::this_coro::cancellation_state)) co_return cancelled(self->peer);
    if (const auto size = self->buffered_message()) {
      const ByteView message(&self->buffer[self->begin] + prefix_size, *size);
      self->begin += prefix_size + *size;
      co_return message;
    }
    if (!self->socket.is_open()) co_return fail(Errc::connection_closed, self->peer.text());
    self->make_room();
    auto read = co_await self->read_some(limits);
    if (!read) co_return std::unexpected(std::move(read).error());
  }
}

TcpExchange::TcpExchange(asio::any_io_executor executor) : impl_(std::make_shared<Impl>(executor)) {}

TcpExchange::~TcpExchange() {
  if (impl_) impl_->close();
}

TcpExchange::TcpExchange(TcpExchange&&) noexcept = default;

TcpExchange& TcpExchange::operator=(TcpExchange&& other) noexcept {
  if (this != &other) {
    if (impl_) impl_->close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}

asio::awaitable<Result<>> TcpExchange::connect(Endpoint peer, Milliseconds timeout, std::optional<IpAddress> source) {
  impl_->close();
  impl_->peer = peer;
  impl_->begin = impl_->end = 0;
  impl_->received = 0;
  impl_->rate.reset();
  return without_exceptions(Impl::connect(impl_, timeout, source), peer);
}

asio::awaitable<Result<>> TcpExchange::send(ByteView message, Milliseconds timeout) {
  return without_exceptions(Impl::send(impl_, message, timeout), impl_->peer);
}

asio::awaitable<Result<ByteView>> TcpExchange::receive(ReceiveLimits limits) {
  return without_exceptions(Impl::receive(impl_, limits), impl_->peer);
}

void TcpExchange::close() {
  impl_->close();
}

bool TcpExchange::is_open() const {
  return impl_->socket.is_open();
}

std::uint64_t TcpExchange::received_octets() const {
  return impl_->received;
}

bool TcpExchange::has_message() const {
  return impl_->buffered_message().has_value();
}

}  // namespace understudy
