// What the answering side needs from the rest of the server, and what it counts.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "answer/chaos.h"
#include "answer/edns_options.h"
#include "base/address.h"
#include "base/clock.h"
#include "dns/serial.h"
#include "dns/tsig.h"
#include "zone/zone_table.h"

namespace understudy {

struct AnswerSettings {
  std::uint16_t udp_max_size = 1232;         // the most octets of a UDP answer, whatever the client offers
  std::uint16_t nsec3_max_iterations = 150;  // of zones whose NSEC3 proofs are worth their hashes
  bool minimal_responses = false;            // additional records only where they are required
  bool follows_aliases = false;              // CNAME and DNAME into other zones of this server
  std::shared_ptr<const TsigKeyring> keys;   // never null
  EdnsSettings edns;
  ChaosSettings chaos;
};

/// Implemented by the server; thread-safe. Pointers are valid until the caller's next quiescent state.
class AnswerEnvironment {
 public:
  virtual ~AnswerEnvironment() = default;
  [[nodiscard]] virtual const ZoneTable* table() const = 0;  // null before the first zones are set
  [[nodiscard]] virtual const AnswerSettings* settings() const = 0;
  [[nodiscard]] virtual const Clock& clock() const = 0;
  /// A NOTIFY that the zone's access rules allow. Must be quick and bounded.
  virtual void notify(NameView zone, const IpAddress& from, std::optional<Serial> serial) = 0;
};

enum class Transport : std::uint8_t { udp, tcp };

/// Written by one worker, read by anyone (relaxed).
struct alignas(64) AnswerCounters {
  using Counter = std::atomic<std::uint64_t>;
  static constexpr std::size_t type_slots = 67;  // types 0..65 (HTTPS) by number, the rest in the last
  static constexpr std::size_t rcode_slots = 25;
  Counter queries[2] = {};  // by Transport
  Counter octets_in[2] = {}, octets_out[2] = {};
  Counter types[type_slots] = {};
  Counter rcodes[rcode_slots] = {};
  Counter truncated{0};
  Counter dropped{0};  // responses and fragments of headers: not answered
  Counter notifies{0}, notifies_refused{0};
  Counter transfers{0}, transfers_refused{0};
  Counter slow{0};          // left the fast path
  Counter cookies[4] = {};  // by CookieVerdict; `none` is not counted

  static void add(Counter& counter, std::uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);  // one writer
  }
  void count_type(RRType type) {
    const auto n = number(type);
    add(types[n < type_slots - 1 ? n : type_slots - 1]);
  }
  void count_cookie(CookieVerdict verdict) {
    if (verdict != CookieVerdict::none) add(cookies[static_cast<std::size_t>(verdict)]);
  }
  void count_rcode(unsigned rcode) { add(rcodes[rcode < rcode_slots ? rcode : rcode_slots - 1]); }
};

}  // namespace understudy
