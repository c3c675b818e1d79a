#include "transfer/primary_check.h"

#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "net/exchange.h"
#include "net/peer_connections.h"
#include "transfer/signed_request.h"
#include "xfr/axfr_reader.h"
#include "xfr/ixfr_reader.h"
#include "xfr/soa_query.h"

namespace understudy {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

// A datagram with differences comes at once or not at all.
constexpr milliseconds ixfr_datagram_wait{1000};

milliseconds until(SteadyTime end) {
  const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, milliseconds(1));
}

double seconds_of(const Clock& clock) {
  return static_cast<double>(clock.mono_ns()) / 1e9;
}

/// One question to a primary, in its own time.
class Exchange {
 public:
  Exchange(PrimaryAccess access, Attempt& attempt, std::string_view asked)
      : access_(access), attempt_(attempt), began_(seconds_of(access.clock)) {
    attempt.asked = asked;
  }
  ~Exchange() { attempt_.seconds = now() - began_; }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  [[nodiscard]] const Clock& clock() const { return access_.clock; }
  [[nodiscard]] double now() const { return seconds_of(access_.clock); }
  [[nodiscard]] std::uint64_t signature_now() const { return signature_time(access_.clock); }

  /// EDNS as far as the primary is not known to refuse it.
  [[nodiscard]] WithEdns edns() const {
    return access_.traits.knows_edns(attempt_.peer.address, now()) ? WithEdns::expire : WithEdns::no;
  }
  /// Asked again without EDNS. That it was at fault is shown by an answer that is not refused again.
  template <typename T>
  void asked_without_edns(const Result<T>& answer) {
    if (answer || answer.error().code != Errc::rcode) access_.traits.knows_no_edns(attempt_.peer.address, now());
  }

  Result<SignedRequest> request(const std::function<Bytes(std::uint16_t)>& make) {
    return make_signed_request(attempt_.peer.key, access_.clock, make);
  }
  Result<SignedRequest> request(std::uint16_t id, Bytes message) {
    return make_signed_request(attempt_.peer.key, access_.clock, id, std::move(message));
  }
  void over(std::string_view transport) { attempt_.transport = transport; }
  void sent(ByteView message) { attempt_.trace.sent(message, now() - began_, attempt_.transport); }
  void received(ByteView message) { attempt_.trace.received(message, now() - began_, attempt_.transport); }

  asio::awaitable<Result<>> over_udp(DatagramRequest request) {
    return access_.datagrams.exchange(attempt_.peer.address, attempt_.peer.source, std::move(request));
  }

  /// On a connection that may serve other requests too.
  asio::awaitable<Result<>> over_tcp(std::function<Result<Bytes>(std::uint16_t)> make,
                                     std::function<Result<Next>(ByteView)> take, ReceiveLimits limits) {
    over("TCP");
    PeerRequest request{.make =
                            [this, make = std::move(make)](std::uint16_t id) {
                              Result<Bytes> message = make(id);
                              if (message) sent(*message);
                              return message;
                            },
                        .take =
                            [this, take = std::move(take)](ByteView message) {
                              received(message);
                              return take(message);
                            },
                        .limits = limits};
    co_return co_await access_.connections.exchange({.address = attempt_.peer.address, .source = attempt_.peer.source},
                                                    std::move(request));
  }

 private:
  const PrimaryAccess access_;
  Attempt& attempt_;
  const double began_;
};

// The serial.

/// One query over UDP. Whatever makes it doubtful that the primary itself gave a definite answer is retry_over_tcp.
asio::awaitable<Result<SoaAnswer>> probe_over_udp(Exchange& exchange, Attempt& attempt, WithEdns edns,
                                                  milliseconds timeout) {
  exchange.over("UDP");
  std::optional<TsigStream> tsig;
  std::uint16_t id = 0;
  Result<SoaAnswer> answer{};
  const Result<> exchanged = co_await exchange.over_udp({
      .make = [&](std::uint16_t with_id) -> Result<Bytes> {
        id = with_id;
        US_ASSIGN(SignedRequest request, exchange.request(id, soa_query(attempt.zone, id, edns)));
        tsig = request.fresh_stream(attempt.peer.key);
        exchange.sent(request.message);
        return std::move(request.message);
      },
      .accept =
          [&](ByteView message) {
            exchange.received(message);
            answer = read_soa_answer(message, attempt.zone, id, Via::datagram, tsig ? &*tsig : nullptr,
                                     exchange.signature_now(), edns);
            return !answer || answer->kind != SoaAnswer::Kind::ignored;
          },
      .timeout = timeout,
  });
  if (!exchanged) co_return std::unexpected(exchanged.error());
  if (!answer && answer.error().code != Errc::rcode && answer.error().code != Errc::not_authoritative &&
      answer.error().code != Errc::edns_refused) {
    co_return SoaAnswer{.kind = SoaAnswer::Kind::retry_over_tcp};
  }
  co_return answer;
}

asio::awaitable<Result<SoaAnswer>> probe_over_tcp(Exchange& exchange, Attempt& attempt, WithEdns edns, SteadyTime end) {
  std::optional<TsigStream> tsig;
  std::uint16_t id = 0;
  SoaAnswer answer;
  const auto make = [&](std::uint16_t with_id) -> Result<Bytes> {
    id = with_id;
    US_ASSIGN(SignedRequest request, exchange.request(id, soa_query(attempt.zone, id, edns)));
    tsig = request.fresh_stream(attempt.peer.key);
    return std::move(request.message);
  };
  const auto take = [&](ByteView message) -> Result<Next> {
    US_ASSIGN(answer, read_soa_answer(message, attempt.zone, id, Via::stream, tsig ? &*tsig : nullptr,
                                      exchange.signature_now(), edns));
    return Next::done;
  };
  const Result<> done =
      co_await exchange.over_tcp(make, take, {.stall = until(end), .first_octet_by = end, .deadline = end});
  if (done) co_return answer;
  // One answer is waited for, so that nothing comes is a matter of time and not of progress.
  if (done.error().code == Errc::stalled) co_return fail(Errc::timed_out, done.error().detail);
  co_return std::unexpected(done.error());
}

asio::awaitable<Result<SoaAnswer>> probe_by_all_means(Exchange& exchange, Attempt& attempt, WithEdns edns,
                                                      milliseconds timeout) {
  const SteadyTime end = std::chrono::steady_clock::now() + timeout;
  std::optional<Error> refused;
  // Two datagrams, the second in case one was lost, leave half of the time to TCP, in case UDP is filtered.
  for (const milliseconds wait : {timeout / 5, timeout * 3 / 10}) {
    const Result<SoaAnswer> answer = co_await probe_over_udp(exchange, attempt, edns, wait);
    if (answer && answer->kind == SoaAnswer::Kind::serial) co_return answer;
    if (answer) break;
    const Errc code = answer.error().code;
    if (code == Errc::connect_failed) break;            // the port is closed: maybe only for UDP
    if (code == Errc::wrong_id) break;                  // who guesses is not on the way of a connection
    if (code == Errc::rcode) refused = answer.error();  // Knot refuses SOA of catalogs by UDP, as it could be forged
    if (refused) break;
    if (code != Errc::timed_out) co_return std::unexpected(answer.error());
  }
  Result<SoaAnswer> answer = co_await probe_over_tcp(exchange, attempt, edns, end);
  if (answer || !refused) co_return answer;
  // It is there, and its word stands: no other zone is to think that it cannot be reached.
  const Errc code = answer.error().code;
  if (code != Errc::connect_failed && code != Errc::timed_out) co_return answer;
  co_return fail(refused->code, fmt::format("{}; over TCP, {}", refused->detail, answer.error().text()));
}

// The zone.

class BuilderSink final : public ZoneUpdateSink {
 public:
  /// The builder is made once there is something to build.
  BuilderSink(NameView zone, BuilderHints hints) : zone_(zone), hints_(hints) {}
  Result<Taken> add(NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) override {
    if (!builder_) builder_.emplace(zone_, hints_);
    US_ASSIGN(const AddOutcome outcome, builder_->add(owner, type, ttl, rdata));
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
  [[nodiscard]] ZoneBuilder take() { return *std::exchange(builder_, std::nullopt); }

 private:
  const Name zone_;
  const BuilderHints hints_;
  std::optional<ZoneBuilder> builder_;
};

/// Sends the request and feeds every message of the answer to the reader that begin() made for it, until that is done.
/// `may_be_all()`: what came so far may be the whole answer, though the reader would take more.
template <typename Reader>
asio::awaitable<Result<>> stream_answer(Exchange& exchange, Attempt& attempt, std::optional<Reader>& reader,
                                        const std::function<Result<Bytes>(std::uint16_t id)>& begin,
                                        const TakeOptions& options, const std::function<bool()>& may_be_all) {
  const SteadyTime start = std::chrono::steady_clock::now();
  ReceiveLimits limits{.stall = options.stall,
                       .first_octet_by = start + options.first_wait,
                       .minimum_rate = options.min_rate,
                       .deadline = std::nullopt};
  if (options.longest) limits.deadline = start + *options.longest;
  const auto take = [&](ByteView message) -> Result<Next> {
    const Result<TransferReader::Progress> progress = reader->feed(message, exchange.signature_now());
    attempt.counts = reader->counts();  // others watch its progress
    if (!progress) return std::unexpected(progress.error());
    if (*progress == TransferReader::Progress::done) return Next::done;
    return may_be_all() ? Next::maybe_more : Next::more;
  };
  const Result<> done = co_await exchange.over_tcp(begin, take, limits);
  if (done) co_return done;
  if (done.error().code == Errc::connection_closed && reader) co_return std::unexpected(reader->closed_early());
  if (done.error().code == Errc::timed_out && limits.deadline && std::chrono::steady_clock::now() >= *limits.deadline) {
    co_return fail(Errc::too_slow, done.error().detail + ": no transfer may take longer here");
  }
  co_return done;
}

TransferRequest transfer_request(const Attempt& attempt, const SignedRequest& request, RRType type, Via via,
                                 WithEdns edns) {
  return {.zone = attempt.zone,
          .id = request.id,
          .type = type,
          .via = via,
          .edns = edns,
          .probed = attempt.announced,
          .tsig = request.fresh_stream(attempt.peer.key)};
}

/// A primary may give its EXPIRE option with the SOA only: what that said stays.
void note_expire(const TransferReader& reader, Attempt& attempt) {
  if (const auto left = reader.expire()) attempt.expire_left = left;
}

asio::awaitable<Result<Taken>> ask_for_zone(Exchange& exchange, Attempt& attempt, WithEdns edns,
                                            const TakeOptions& options) {
  std::optional<BuilderSink> sink;
  std::optional<AxfrReader> reader;
  const auto begin = [&](std::uint16_t id) -> Result<Bytes> {
    US_ASSIGN(SignedRequest request, exchange.request(id, axfr_query(attempt.zone, id, edns)));
    sink.emplace(attempt.zone, options.hints);
    reader.emplace(transfer_request(attempt, request, RRType::AXFR, Via::stream, edns), options.limits, *sink);
    return std::move(request.message);
  };
  const Result<> done = co_await stream_answer(exchange, attempt, reader, begin, options, [] { return false; });
  if (reader && reader->counts().records > 0) attempt.received = reader->serial();
  if (!done) co_return std::unexpected(done.error());
  note_expire(*reader, attempt);
  co_return Taken{.kind = Taken::Kind::whole, .builder = sink->take()};
}

/// What the reader has made of a complete answer; nullopt: ask over TCP.
Result<std::optional<Taken>> outcome_of(IxfrReader& reader, BuilderSink& sink, Attempt& attempt) {
  using Answer = IxfrReader::Answer;
  note_expire(reader, attempt);
  if (reader.answer() != Answer::undecided && reader.answer() != Answer::ask_over_tcp) {
    attempt.received = reader.serial();
    if (!attempt.announced) attempt.announced = reader.serial();
  }
  switch (reader.answer()) {
    case Answer::current:
      attempt.announced = reader.serial();
      return Taken{.kind = reader.serial() == *attempt.ours ? Taken::Kind::current : Taken::Kind::behind};
    case Answer::differences:
      return Taken{.kind = Taken::Kind::differences, .deltas = reader.take_deltas()};
    case Answer::whole:
      return Taken{.kind = Taken::Kind::whole, .builder = sink.take()};
    case Answer::ask_over_tcp:
      return std::nullopt;
    case Answer::undecided:
    case Answer::single_soa:
      break;
  }
  return fail(Errc::bad_transfer_end, "a newer SOA and nothing else: no differences are to be had");
}

asio::awaitable<Result<std::optional<Taken>>> ask_by_datagram(Exchange& exchange, Attempt& attempt, WithEdns edns,
                                                              const TakeOptions& options) {
  exchange.over("UDP");
  const Result<SignedRequest> request =
      exchange.request([&](std::uint16_t id) { return ixfr_query(attempt.zone, id, *attempt.ours, edns); });
  if (!request) co_return std::unexpected(request.error());
  BuilderSink sink(attempt.zone, options.hints);
  IxfrReader reader(transfer_request(attempt, *request, RRType::IXFR, Via::datagram, edns), *attempt.ours,
                    options.limits, sink);
  Result<TransferReader::Progress> progress = TransferReader::Progress::more;
  const auto read = [&](ByteView message) {
    exchange.received(message);
    progress = reader.feed(message, exchange.signature_now());
    return !progress || *progress == TransferReader::Progress::done;
  };
  exchange.sent(request->message);
  const Result<Bytes> exchanged =
      co_await udp_exchange(attempt.peer.address, request->message,
                            std::min(ixfr_datagram_wait, options.first_wait / 2), read, attempt.peer.source);
  if (!exchanged && exchanged.error().code == Errc::cancelled) co_return std::unexpected(exchanged.error());
  if (!exchanged) co_return std::nullopt;  // what is lost or filtered may come over TCP
  attempt.counts = reader.counts();
  if (!progress) co_return std::unexpected(progress.error());
  co_return outcome_of(reader, sink, attempt);
}

asio::awaitable<Result<Taken>> ask_for_differences(Exchange& exchange, Attempt& attempt, WithEdns edns,
                                                   const TakeOptions& options) {
  if (attempt.peer.ixfr_over_udp) {
    Result<std::optional<Taken>> taken = co_await ask_by_datagram(exchange, attempt, edns, options);
    if (!taken) co_return std::unexpected(taken.error());
    if (*taken) co_return **std::move(taken);
  }
  std::optional<BuilderSink> sink;
  std::optional<IxfrReader> reader;
  const auto begin = [&](std::uint16_t id) -> Result<Bytes> {
    US_ASSIGN(SignedRequest request, exchange.request(id, ixfr_query(attempt.zone, id, *attempt.ours, edns)));
    sink.emplace(attempt.zone, options.hints);
    reader.emplace(transfer_request(attempt, request, RRType::IXFR, Via::stream, edns), *attempt.ours, options.limits,
                   *sink);
    return std::move(request.message);
  };
  // Those who do not know IXFR may send the SOA alone, as over UDP, and nothing more.
  const auto is_soa = [&reader] { return reader && reader->answer() == IxfrReader::Answer::single_soa; };
  const Result<> done = co_await stream_answer(exchange, attempt, reader, begin, options, is_soa);
  if (!done && !(is_soa() && done.error().code == Errc::stalled)) co_return std::unexpected(done.error());
  Result<std::optional<Taken>> taken = outcome_of(*reader, *sink, attempt);
  if (!taken) co_return std::unexpected(taken.error());
  if (!*taken) co_return fail(Errc::bad_transfer_end, "the answer says to ask over TCP, where it came from");
  co_return **std::move(taken);
}

asio::awaitable<Result<Serial>> probe(PrimaryAccess access, Attempt& attempt, milliseconds timeout) {
  Exchange exchange(access, attempt, "SOA");
  const SteadyTime end = std::chrono::steady_clock::now() + timeout;
  Result<SoaAnswer> answer = co_await probe_by_all_means(exchange, attempt, exchange.edns(), timeout);
  if (!answer && answer.error().code == Errc::edns_refused) {
    answer = co_await probe_by_all_means(exchange, attempt, WithEdns::no, until(end));
    exchange.asked_without_edns(answer);
  }
  if (!answer) co_return std::unexpected(answer.error());
  attempt.announced = answer->serial;
  attempt.expire_left = answer->expire;
  co_return answer->serial;
}

asio::awaitable<Result<Taken>> differences_of(PrimaryAccess access, Attempt& attempt, TakeOptions options) {
  Exchange exchange(access, attempt, "IXFR");
  options.hints.max_octets = options.limits.max_octets;  // compressed messages may grow tenfold
  Result<Taken> taken = co_await ask_for_differences(exchange, attempt, exchange.edns(), options);
  if (!taken && taken.error().code == Errc::edns_refused) {
    attempt.counts = {};
    taken = co_await ask_for_differences(exchange, attempt, WithEdns::no, options);
    exchange.asked_without_edns(taken);
  }
  co_return taken;
}

asio::awaitable<Result<Taken>> whole_of(PrimaryAccess access, Attempt& attempt, TakeOptions options) {
  Exchange exchange(access, attempt, "AXFR");
  options.hints.max_octets = options.limits.max_octets;
  Result<Taken> taken = co_await ask_for_zone(exchange, attempt, exchange.edns(), options);
  if (!taken && taken.error().code == Errc::edns_refused) {
    attempt.counts = {};
    taken = co_await ask_for_zone(exchange, attempt, WithEdns::no, options);
    exchange.asked_without_edns(taken);
  }
  co_return taken;
}

/// Memory that runs out ends this piece of work, and not the server.
template <typename Work>
std::invoke_result_t<Work> within_memory(Work work) {
  try {
    co_return co_await work();
  } catch (const std::bad_alloc&) {
    co_return fail(Errc::io, "out of memory");
  }
}

}  // namespace

std::uint64_t Taken::memory_size() const {
  std::uint64_t octets = builder ? builder->memory_size() : 0;
  for (const DeltaPtr& delta : deltas) octets += delta->size();
  return octets;
}

asio::awaitable<Result<Serial>> probe_primary(PrimaryAccess access, Attempt& attempt, milliseconds timeout) {
  return within_memory([access, &attempt, timeout] { return probe(access, attempt, timeout); });
}

asio::awaitable<Result<Taken>> take_differences(PrimaryAccess access, Attempt& attempt, TakeOptions options) {
  return within_memory([access, &attempt, options] { return differences_of(access, attempt, options); });
}

asio::awaitable<Result<Taken>> take_zone(PrimaryAccess access, Attempt& attempt, TakeOptions options) {
  return within_memory([access, &attempt, options] { return whole_of(access, attempt, options); });
}

}  // namespace understudy
