// DNS over a stream: any octets in any pieces, a peer that takes its answers in any pieces. Every whole query is handed
// over once and in order, what comes out is whole messages, and what waits stays within its bounds.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

#include "net/stream_session.h"

using understudy::append;
using understudy::Bytes;
using understudy::ByteView;
using understudy::MutableBytes;
using understudy::ResponseSource;
using understudy::StreamHandler;
using understudy::StreamScratch;
using understudy::StreamSession;
using understudy::StreamSink;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

class Source final : public ResponseSource {
 public:
  explicit Source(std::uint8_t plan) : messages_(plan & 7), fails_(will_fail(plan)), size_((plan >> 4) * 1000U + 12) {}
  static bool will_fail(std::uint8_t plan) { return (plan & 8) != 0; }
  Step next(Bytes& out) override {
    if (messages_-- == 0) return fails_ ? Step::failed : Step::done;
    out.assign(size_, 0x55);
    return Step::message;
  }

 private:
  int messages_;
  const bool fails_;
  const std::size_t size_;
};

/// The third octet of a query says what is answered.
class Handler final : public StreamHandler {
 public:
  std::size_t answer(ByteView request, const sockaddr* /*peer*/, MutableBytes response,
                     std::unique_ptr<ResponseSource>& rest) override {
    require(request.size() >= 12 && response.size() >= 65535);
    append(queries, request);
    if (request[2] >= 0xf0) {
      rest = std::make_unique<Source>(request[3]);
      any_fails = any_fails || Source::will_fail(request[3]);
    }
    const std::size_t size = request[2] < 0x10 ? 0 : request[2] < 0x20 ? 65535 : request.size();
    std::fill_n(response.begin(), size, std::uint8_t{0x55});
    return size;
  }
  Bytes queries;
  bool any_fails = false;  // then the session may end at any time
};

class Sink final : public StreamSink {
 public:
  std::optional<std::size_t> write(ByteView octets) override {
    const std::size_t n = std::min(room, octets.size());
    append(taken, octets.first(n));
    room -= n;
    return n;
  }
  std::size_t room = 0;
  Bytes taken;
};

void check_output(const Sink& sink, bool complete) {
  std::size_t at = 0;
  while (at + 2 <= sink.taken.size()) {
    const std::size_t end = at + 2 + understudy::load_u16(&sink.taken[at]);
    if (end > sink.taken.size()) break;
    for (std::size_t i = at + 2; i < end; ++i) require(sink.taken[i] == 0x55);
    at = end;
  }
  require(!complete || at == sink.taken.size());
}

// The queries that a plain reading of the stream finds, up to the first that is too short.
Bytes expected_queries(ByteView stream) {
  Bytes out;
  while (stream.size() >= 2) {
    const std::size_t size = understudy::load_u16(stream.data());
    if (size < 12 || stream.size() < 2 + size) break;
    append(out, stream.subspan(2, size));
    stream = stream.subspan(2 + size);
  }
  return out;
}

}  // namespace

// The first octets steer (pieces of input and room for output), the rest is the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t steering = 32;
  if (size < steering) return 0;
  static StreamScratch scratch;
  // Longer input would only repeat itself, and make much output.
  const ByteView stream(data + steering, std::min<std::size_t>(size - steering, 4096));
  Handler handler;
  Sink sink;
  StreamSession session(
      {.max_queued = 1U + data[0] % 8, .max_sources = 1U + data[1] % 3, .max_per_turn = 1U + data[0] / 8 % 8});
  std::size_t fed = 0;
  for (std::size_t step = 0; !session.is_finished(); ++step) {
    require(step < 1'000'000);  // it always comes to an end
    const std::uint8_t steer = data[2 + step % (steering - 2)];
    StreamSession::Context context{handler, scratch, sink, nullptr};
    const bool may_go_on = session.wants_turn();
    if (may_go_on && (steer % 2 == 0 || !session.wants_output())) {
      session.take_turn(context);
      require(context.queries != 0 || session.is_finished());
    } else if (fed < stream.size() && session.wants_input()) {
      const MutableBytes room = session.input_room(scratch);
      require(room.size() >= 4096);
      const std::size_t n = std::min({std::size_t{1} + steer * steer, room.size(), stream.size() - fed});
      std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(fed), n, room.begin());
      session.received(context, n);
      fed += n;
    } else if (session.wants_output()) {
      sink.room = (steer == 0 ? 1000U : 0U) + steer * 300U;
      session.writable(context);
    } else {
      require(fed == stream.size());  // or it is stuck
      session.received_end();
    }
  }
  const bool whole = fed == stream.size() && !session.wants_output() && !handler.any_fails;
  check_output(sink, whole);
  const Bytes expected = expected_queries(stream);
  require(handler.queries.size() <= expected.size());
  require(std::equal(handler.queries.begin(), handler.queries.end(), expected.begin()));
  if (whole) require(handler.queries.size() == expected.size());
  return 0;
}
