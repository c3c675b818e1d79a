#include "transfer/primary_check.h"

#include <boost/asio/this_coro.hpp>
#include <optional>
#include <utility>

#include "net/exchange.h"
#include "transfer/signed_request.h"
#include "xfr/soa_query.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

milliseconds until(SteadyTime end) {
  const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, milliseconds(1));
}

Result<SignedRequest> probe_request(const Attempt& attempt, const Clock& clock) {
  return make_signed_request(attempt.peer.key, clock,
                             [&attempt](std::uint16_t id) { return soa_query(attempt.zone, id); });
}

/// One query over UDP. Whatever makes it doubtful that the primary itself gave a definite answer is retry_over_tcp.
asio::awaitable<Result<SoaAnswer>> probe_over_udp(Attempt& attempt, const Clock& clock, milliseconds timeout) {
  attempt.transport = "UDP";
  const Result<SignedRequest> request = probe_request(attempt, clock);
  if (!request) co_return std::unexpected(request.error());
  std::optional<TsigStream> tsig = request->fresh_stream(attempt.peer.key);
  Result<SoaAnswer> answer{};
  const auto read = [&](ByteView message) {
    answer = read_soa_answer(message, attempt.zone, request->id, Via::datagram, tsig ? &*tsig : nullptr,
                             signature_time(clock));
    return !answer || answer->kind != SoaAnswer::Kind::ignored;
  };
  const Result<Bytes> exchanged = co_await udp_exchange(attempt.peer.address, request->message, timeout, read);
  if (!exchanged) co_return std::unexpected(exchanged.error());
  if (!answer && answer.error().code != Errc::rcode && answer.error().code != Errc::not_authoritative) {
    co_return SoaAnswer{.kind = SoaAnswer::Kind::retry_over_tcp, .serial = {}};
  }
  co_return answer;
}

asio::awaitable<Result<Serial>> probe_over_tcp(Attempt& attempt, const Clock& clock, SteadyTime end) {
  attempt.transport = "TCP";
  const Result<SignedRequest> request = probe_request(attempt, clock);
  if (!request) co_return std::unexpected(request.error());
  std::optional<TsigStream> tsig = request->fresh_stream(attempt.peer.key);
  TcpExchange stream(co_await asio::this_coro::executor);
  if (Result<> done = co_await stream.connect(attempt.peer.address, until(end)); !done) {
    co_return std::unexpected(std::move(done).error());
  }
  if (Result<> done = co_await stream.send(request->message, until(end)); !done) {
    co_return std::unexpected(std::move(done).error());
  }
  const Result<ByteView> message = co_await stream.receive({.stall = until(end), .deadline = end});
  if (!message) {
    // One answer is waited for, so that nothing comes is a matter of time and not of progress.
    if (message.error().code == Errc::stalled) co_return fail(Errc::timed_out, message.error().detail);
    co_return std::unexpected(message.error());
  }
  const Result<SoaAnswer> answer =
      read_soa_answer(*message, attempt.zone, request->id, Via::stream, tsig ? &*tsig : nullptr, signature_time(clock));
  if (!answer) co_return std::unexpected(answer.error());
  co_return answer->serial;
}

asio::awaitable<Result<Serial>> probe_by_all_means(Attempt& attempt, const Clock& clock, milliseconds timeout) {
  const SteadyTime end = std::chrono::steady_clock::now() + timeout;
  // Two datagrams, the second in case one was lost, leave half of the time to TCP, in case UDP is filtered.
  for (const milliseconds wait : {timeout / 5, timeout * 3 / 10}) {
    const Result<SoaAnswer> answer = co_await probe_over_udp(attempt, clock, wait);
    if (answer && answer->kind == SoaAnswer::Kind::serial) co_return answer->serial;
    if (answer) break;
    const Errc code = answer.error().code;
    if (code == Errc::connect_failed) break;  // the port is closed: maybe only for UDP
    if (code != Errc::timed_out) co_return std::unexpected(answer.error());
  }
  co_return co_await probe_over_tcp(attempt, clock, end);
}

double seconds_of(const Clock& clock) {
  return static_cast<double>(clock.mono_ns()) / 1e9;
}

class BuilderSink final : public ZoneUpdateSink {
 public:
  explicit BuilderSink(ZoneBuilder& builder) : builder_(builder) {}
  Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) override {
    US_ASSIGN(const AddOutcome outcome, builder_.add(owner, type, ttl, rdata));
    switch (outcome) {
      case AddOutcome::added:
        return Taken::added;
      case AddOutcome::duplicate:
        return Taken::duplicate;
      case AddOutcome::out_of_zone:
        return Taken::out_of_zone;
    }
    return fail(Errc::internal, "unknown outcome of a record");
  }

 private:
  ZoneBuilder& builder_;
};

/// Sends the request and feeds every message of the answer to the reader, to the last one.
asio::awaitable<Result<>> stream_zone(TcpExchange& stream, AxfrReader& reader, ByteView request, Attempt& attempt,
                                      const TakeOptions& options, const Clock& clock) {
  const SteadyTime start = std::chrono::steady_clock::now();
  const SteadyTime begins_by = start + options.first_wait;
  if (Result<> done = co_await stream.connect(attempt.peer.address, until(begins_by)); !done) co_return done;
  if (Result<> done = co_await stream.send(request, until(begins_by)); !done) co_return done;
  ReceiveLimits limits{
      .stall = options.stall, .first_octet_by = begins_by, .minimum_rate = options.min_rate, .deadline = std::nullopt};
  if (options.longest) limits.deadline = start + *options.longest;
  while (true) {
    const Result<ByteView> message = co_await stream.receive(limits);
    if (!message) {
      if (message.error().code == Errc::connection_closed) co_return std::unexpected(reader.closed_early());
      if (message.error().code == Errc::timed_out) {
        co_return fail(Errc::too_slow, message.error().detail + ": another primary is asked while there is time");
      }
      co_return std::unexpected(message.error());
    }
    const Result<AxfrReader::Progress> progress = reader.feed(*message, signature_time(clock));
    attempt.counts = reader.counts();  // others watch its progress
    if (!progress) co_return std::unexpected(progress.error());
    if (*progress == AxfrReader::Progress::done) break;
  }
  const TransferCounts& counts = reader.counts();
  if (stream.received_octets() > counts.octets + 2 * counts.messages) {
    co_return fail(Errc::extra_records, "more data follows on the connection");
  }
  co_return Result<>{};
}

asio::awaitable<Result<>> take_into(ZoneBuilder& builder, Attempt& attempt, const Clock& clock, TakeOptions options) {
  const Result<SignedRequest> request = make_signed_request(
      attempt.peer.key, clock, [&attempt](std::uint16_t id) { return axfr_query(attempt.zone, id); });
  if (!request) co_return std::unexpected(request.error());
  BuilderSink sink(builder);
  AxfrReader reader(attempt.zone, request->id, options.limits, attempt.announced,
                    request->fresh_stream(attempt.peer.key), sink);
  TcpExchange stream(co_await asio::this_coro::executor);
  Result<> done = co_await stream_zone(stream, reader, request->message, attempt, options, clock);
  if (attempt.counts.records > 0) attempt.received = reader.serial();
  co_return done;
}

}  // namespace

asio::awaitable<Result<Serial>> probe_primary(Attempt& attempt, const Clock& clock, milliseconds timeout) {
  const double began = seconds_of(clock);
  attempt.asked = "SOA";
  Result<Serial> serial = co_await probe_by_all_means(attempt, clock, timeout);
  attempt.seconds = seconds_of(clock) - began;
  if (serial) attempt.announced = *serial;
  co_return serial;
}

asio::awaitable<Result<ZoneBuilder>> take_zone(Attempt& attempt, const Clock& clock, TakeOptions options) {
  const double began = seconds_of(clock);
  attempt.asked = "AXFR";
  attempt.transport = "TCP";
  options.hints.max_octets = options.limits.max_octets;  // compressed messages may grow tenfold
  ZoneBuilder builder(attempt.zone, options.hints);
  const Result<> done = co_await take_into(builder, attempt, clock, options);
  attempt.seconds = seconds_of(clock) - began;
  if (!done) co_return std::unexpected(done.error());
  co_return std::move(builder);
}

}  // namespace understudy
