// What every connection to another server needs: endpoints for asio, sockets with a source address, errors in words.
#pragma once

#include <fmt/format.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/address.h"
#include "base/result.h"

namespace understudy::client {

template <typename Protocol>
typename Protocol::endpoint to_asio(const Endpoint& endpoint) {
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  typename Protocol::endpoint out;
  std::memcpy(out.data(), &address, size);
  out.resize(size);
  return out;
}

inline std::string seconds_text(std::chrono::nanoseconds duration) {
  return fmt::format("{:g} s", static_cast<double>(duration.count() / 1'000'000) / 1000.0);
}

inline std::unexpected<Error> cancelled(const Endpoint& peer) {
  return fail(Errc::cancelled, peer.text());
}

inline std::unexpected<Error> failure(Errc code, const Endpoint& peer, const boost::system::error_code& error) {
  return fail(code, fmt::format("{}: {}", peer.text(), error.message()));
}

/// Datagrams that are no answer at one socket, from the peer or who acts as such: after so many, somebody may be
/// guessing what would be taken for one.
constexpr unsigned most_strangers = 32;

inline Error too_many_strangers(const Endpoint& peer, unsigned count) {
  return {Errc::wrong_id, fmt::format("{}: {} datagrams that answer nothing", peer.text(), count)};
}

/// Why there is no socket. What this server lacks is not the peer's fault.
inline std::unexpected<Error> no_socket(const Endpoint& peer, const boost::system::error_code& error) {
  namespace errc = boost::system::errc;
  if (error == errc::too_many_files_open || error == errc::too_many_files_open_in_system) {
    return fail(Errc::io, fmt::format("{}: no file descriptor left; raise the limit of open files", peer.text()));
  }
  const bool no_memory = error == errc::no_buffer_space || error == errc::not_enough_memory;
  return failure(no_memory ? Errc::io : Errc::connect_failed, peer, error);
}

/// Opens the socket and binds it to the source address, if one is wanted.
template <typename Socket>
boost::system::error_code open_for(Socket& socket, const Endpoint& peer, const std::optional<IpAddress>& source) {
  using Protocol = typename Socket::protocol_type;
  boost::system::error_code error;
  socket.open(peer.address.is_v4() ? Protocol::v4() : Protocol::v6(), error);
  if (!error && source) socket.bind(to_asio<Protocol>(Endpoint{*source, 0}), error);
  return error;
}

/// Cancelled while the last operation was complete but not yet resumed: the next one would not be told.
inline bool is_set(const boost::asio::cancellation_state& state) {
  return state.cancelled() != boost::asio::cancellation_type::none;
}

/// Asio throws where a coroutine that is cancelled awaits again. Here that is a value like the others.
template <typename T>
boost::asio::awaitable<Result<T>> without_exceptions(boost::asio::awaitable<Result<T>> operation, Endpoint peer) {
  try {
    co_return co_await std::move(operation);
  } catch (const boost::system::system_error& error) {
    if (error.code() == boost::asio::error::operation_aborted) co_return cancelled(peer);
    co_return failure(Errc::io, peer, error.code());
  }
}

}  // namespace understudy::client
