// One thread that answers DNS over TCP (RFC 7766): connections in, StreamHandler, messages out.
//
// A server has one StreamWorker per core, each with its own SO_REUSEPORT listeners and its own Asio io_context, all
// sharing one ConnectionLimits. Queries may arrive pipelined and split anywhere; what one read brought is answered with
// one write. A long response (ResponseSource) is sent message by message, interleaved with the answers to later queries
// of its connection. A connection answers so many queries in its turn and then waits for the others. An idle connection
// holds no buffer. The thread is a QsbrReader that is online only inside StreamHandler::answer and
// ResponseSource::next, and ResponseSources are destroyed on it. create(), start() and stop() belong to the owner's
// thread; counters() may be read by any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/datagram.h"
#include "base/mutex.h"
#include "base/result.h"

namespace understudy {

/// Counts the connections of all workers, in total and per client. Thread-safe.
/// A client is an IPv4 address or an IPv6 /64, which is what one site has.
class ConnectionLimits {
 public:
  ConnectionLimits(std::size_t total, std::size_t per_client) : total_(total), per_client_(per_client) {}

  enum class Verdict { admitted, full, client_full };
  /// A worker whose idle connections can make room for what comes to others. Alive from join() to leave().
  struct Worker {
    std::atomic<std::size_t> idle{0};  // connections that it could close
    std::function<void()> make_room;   // asks it to close the longest idle one; does not wait
  };
  void join(Worker& worker) US_EXCLUDES(mutex_);
  void leave(Worker& worker) US_EXCLUDES(mutex_);

  /// `admitted` counts the connection until release(). Without a client it counts in all only, and some more than the
  /// limit are admitted: who speaks for others says later for whom, and only then is it known whether it may cost
  /// another its connection.
  Verdict admit(const std::optional<IpAddress>& client) US_EXCLUDES(mutex_);
  /// The same where another was closed for it, also while those that have not said for whom they are make it too many.
  Verdict admit_in_place(const std::optional<IpAddress>& client) US_EXCLUDES(mutex_);
  /// The same for a connection to `worker` that has none idle, when admit() says `full`: the worker with the most idle
  /// ones is asked to close one. Until it has, there is one more than the limit, at most one for each worker.
  Verdict admit_for_another(const std::optional<IpAddress>& client) US_EXCLUDES(mutex_);
  /// The client of a connection that was admitted without one: counts it for that client, unless it has its share.
  bool claim(const IpAddress& client) US_EXCLUDES(mutex_);
  [[nodiscard]] bool is_over() const { return open() > total_; }
  void release(const std::optional<IpAddress>& client) US_EXCLUDES(mutex_);
  /// How long a connection may be idle now: less once more than half of all connections are taken, nothing when all
  /// are.
  [[nodiscard]] std::chrono::milliseconds idle_time(std::chrono::milliseconds configured) const;
  [[nodiscard]] std::size_t open() const { return open_.load(std::memory_order_relaxed); }

 private:
  [[nodiscard]] std::size_t limit_for(const std::optional<IpAddress>& client) const;
  std::size_t connections_of(const IpAddress& client) const US_REQUIRES(mutex_);
  Verdict admit_below(std::size_t limit, const std::optional<IpAddress>& client) US_REQUIRES(mutex_);

  const std::size_t total_;
  const std::size_t per_client_;
  std::atomic<std::size_t> open_{0};
  Mutex mutex_;
  std::unordered_map<IpAddress, std::size_t> clients_ US_GUARDED_BY(mutex_);
  std::vector<Worker*> workers_ US_GUARDED_BY(mutex_);
};

struct StreamOptions {
  /// Closed when no whole query came and nothing was under way for this long, or shorter under load
  /// (ConnectionLimits::idle_time()).
  std::chrono::milliseconds idle_timeout{10'000};
  /// Closed when the peer has not taken what was ready for it (at most about 128 KiB at a time) for this long.
  /// A peer for which something waits has to take so many octets a second, on average over so long.
  std::chrono::milliseconds write_timeout{30'000};
  std::uint32_t least_rate = 512;
  /// Not read from while so many responses wait for the peer to take them.
  std::size_t max_queued = 100;
  /// Long responses under way at once on one connection; it is not read from while there are so many.
  std::size_t max_sources = 8;
  /// Load balancers: each connection of theirs begins with a PROXY protocol header (net/proxy_protocol.h), and counts
  /// for the client that this names.
  std::vector<Prefix> balancers = {};
};

/// Written by one worker, read by anyone; on cache lines of its own.
struct alignas(64) StreamCounters {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> refused{0};  // closed at once: a limit is reached
  std::atomic<std::uint64_t> evicted{0};  // idle longest, closed to make room
  std::atomic<std::uint64_t> idle_closed{0};
  std::atomic<std::uint64_t> write_timeouts{0};
  std::atomic<std::uint64_t> without_proxy_header{0};  // of balancers, closed
  std::atomic<std::uint64_t> received{0};              // queries
  std::atomic<std::uint64_t> answered{0};              // messages handed to the connection
  std::atomic<std::uint64_t> open{0};                  // connections now
};

class StreamWorker {
 public:
  /// Binds all addresses and listens; nothing is accepted before start().
  static Result<std::unique_ptr<StreamWorker>> create(std::span<const Endpoint> listen,
                                                      std::unique_ptr<StreamHandler> handler,
                                                      std::shared_ptr<ConnectionLimits> limits,
                                                      const StreamOptions& options = {});
  /// Stops.
  ~StreamWorker();
  StreamWorker(const StreamWorker&) = delete;
  StreamWorker& operator=(const StreamWorker&) = delete;

  /// Starts the thread. Once.
  void start();
  /// Closes the listeners and all connections, and waits for the thread. May be called twice.
  void stop();

  [[nodiscard]] const StreamCounters& counters() const;
  /// The bound addresses, in the order given to create().
  [[nodiscard]] std::vector<Endpoint> local_endpoints() const;

 private:
  struct Impl;
  explicit StreamWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace understudy
