#include "net/peer_stream.h"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "net/client_socket.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

class TcpStream final : public PeerStream {
 public:
  TcpStream(const asio::any_io_executor& executor, const PeerKey& peer) : peer_(peer), socket_(executor) {}

  asio::awaitable<Result<>> open() override {
    error_code error = client::open_for(socket_, peer_.address, peer_.source);
    if (error) co_return client::no_socket(peer_.address, error);
    co_await socket_.async_connect(client::to_asio<tcp>(peer_.address),
                                   asio::redirect_error(asio::use_awaitable, error));
    if (!socket_.is_open() || error == asio::error::operation_aborted) co_return client::cancelled(peer_.address);
    if (error) co_return client::failure(Errc::connect_failed, peer_.address, error);
    socket_.set_option(tcp::no_delay(true), error);  // without it requests may only arrive later
    socket_.non_blocking(true, error);
    if (error) co_return client::failure(Errc::io, peer_.address, error);
    co_return Result<>{};
  }

  asio::awaitable<std::size_t> read_some(MutableBytes room, error_code& error) override {
    return socket_.async_read_some(asio::buffer(room.data(), room.size()),
                                   asio::redirect_error(asio::use_awaitable, error));
  }

  std::size_t write_some(ByteView octets, error_code& error) override {
    const std::size_t taken = socket_.write_some(asio::buffer(octets.data(), octets.size()), error);
    if (error == asio::error::would_block || error == asio::error::try_again) error.clear();
    return taken;
  }

  asio::awaitable<void> wait_writable(error_code& error) override {
    return socket_.async_wait(tcp::socket::wait_write, asio::redirect_error(asio::use_awaitable, error));
  }

  [[nodiscard]] bool is_quiet() const override {
    std::uint8_t octet = 0;
    const auto fd = const_cast<tcp::socket&>(socket_).native_handle();
    return ::recv(fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  void close() override {
    error_code ignored;  // there is nothing to do about it
    socket_.close(ignored);
  }

 private:
  const PeerKey peer_;
  tcp::socket socket_;
};

}  // namespace

std::unique_ptr<PeerStream> make_peer_stream(const asio::any_io_executor& executor, const PeerKey& peer) {
  switch (peer.kind) {
    case StreamKind::tcp:
      break;
  }
  return std::make_unique<TcpStream>(executor, peer);
}

}  // namespace understudy
