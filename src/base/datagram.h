// What passes between those who receive queries and those who answer them: one query and room for its answer.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace understudy {

/// One received datagram. The answering side fills `response` and sets `response_size`; 0 means no answer.
struct Datagram {
  const std::uint8_t* query = nullptr;
  std::uint32_t query_size = 0;
  std::uint8_t* response = nullptr;
  std::uint32_t response_capacity = 0;
  std::uint32_t response_size = 0;
  const sockaddr* peer = nullptr;
};

/// Answers batches of datagrams. One object per worker thread, never shared.
class DatagramHandler {
 public:
  virtual ~DatagramHandler() = default;
  virtual void answer_batch(std::span<Datagram> batch) = 0;
};

/// The rest of a response of many messages (a zone transfer), produced as the connection takes it.
class ResponseSource {
 public:
  virtual ~ResponseSource() = default;
  enum class Step { message, done, failed };
  /// Puts the next message (without length prefix, at most 65535 octets) into `out`. On `failed` the connection is to
  /// be closed: the receiver must not take what it has for the whole.
  virtual Step next(Bytes& out) = 0;
};

/// Answers single messages that came over a stream. One object per worker thread, never shared.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  /// How long a connection may be idle from now on, for those that are told (RFC 7828).
  virtual void set_idle_time(std::chrono::milliseconds) {}
  /// Returns the number of octets put into `response` (65535 at least), 0 for no answer at all. A response of many
  /// messages leaves its source in `rest`; its messages follow what was put into `response` (maybe nothing).
  virtual std::size_t answer(ByteView request, const sockaddr* peer, MutableBytes response,
                             std::unique_ptr<ResponseSource>& rest) = 0;
};

}  // namespace understudy
