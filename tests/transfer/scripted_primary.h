// A primary on loopback that does what a test says, for real sockets: UDP and TCP on one port.
//
// Every zone has a version (a list of records, the SOA first) and every kind of exchange a behaviour. Queries are
// counted. NOTIFYs to it are acknowledged and kept, so it is a notify target as well. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "dns/message.h"
#include "dns/record.h"
#include "dns/serial.h"
#include "dns/tsig.h"
#include "net/sockets.h"

namespace understudy {

/// The records of a small zone: SOA with these timers, two NS with addresses, and `hosts` addresses.
struct ZoneSpec {
  std::string name = "example.";
  std::uint32_t serial = 1;
  unsigned hosts = 3;
  unsigned refresh = 3600, retry = 600, expire = 86400;
  std::string extra;  // more lines of zone file text
};
std::vector<Record> zone_records(const ZoneSpec& spec);
std::string zone_file_text(const ZoneSpec& spec);

enum class Udp { answer, silent, truncated, refused, unsigned_answer, strange, closed };
enum class Tcp { answer, silent, refused };  // for SOA
enum class Axfr { whole, silent, half_then_close, half_then_silent, trickle, refused, older_serial };

/// Those behind `whole` are mistakes.
enum class Ixfr {
  differences,
  whole,
  single_soa,
  refused,
  not_implemented,
  silent,
  half_then_close,
  other_start,      // differences that begin at another serial
  gap,              // one of several is left out
  missing_removal,  // a record goes that is not there
  doubled_addition  // a record comes that is there
};

class ScriptedPrimary {
 public:
  /// On a port that the system chooses, at this loopback address.
  explicit ScriptedPrimary(const IpAddress& address = IpAddress::v4(127, 0, 0, 1));
  ~ScriptedPrimary();

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  void serve(const ZoneSpec& spec);
  /// Queries must be signed with it, answers are.
  void set_key(std::shared_ptr<const TsigKey> key);
  std::atomic<Udp> udp{Udp::answer};
  std::atomic<Tcp> tcp{Tcp::answer};
  std::atomic<Axfr> axfr{Axfr::whole};
  std::atomic<Ixfr> ixfr{Ixfr::refused};
  std::atomic<std::int64_t> expire_option{-1};  // seconds, in answers; below 0: none
  std::atomic<bool> expire_with_soa_only{false};
  /// For this zone only.
  void set_axfr(const std::string& zone, Axfr behaviour);
  std::atomic<bool> acknowledge{true};         // NOTIFYs
  std::atomic<std::uint32_t> lie_in_probe{0};  // serial to name in SOA answers; 0: the right one
  std::atomic<int> probe_delay_ms{0};

  // What came.
  std::atomic<int> udp_probes{0}, tcp_probes{0}, transfers{0}, ixfrs{0}, udp_ixfrs{0}, notifies{0};
  std::atomic<int> transfers_open{0}, most_transfers_open{0};
  [[nodiscard]] std::vector<Serial> notified_serials() const;
  /// Where the last datagram came from.
  [[nodiscard]] IpAddress last_client() const;
  /// Closes the port: the primary is gone. resume() brings it back at the same port.
  void stop();
  void resume();
  /// Refuses connections from now on; datagrams are answered.
  void close_tcp();

 private:
  struct Query {
    Header header;
    Question question;
    std::optional<TsigSession> session;
    bool has_edns = false;
    std::uint32_t ixfr_serial = 0;
  };
  std::optional<Query> read(ByteView wire) const;
  Bytes answer(const Query& query, std::vector<Record> records, std::uint16_t flags = Header::aa,
               bool sign = true) const;
  std::vector<Record> differences(const Query& query, Ixfr how) const;
  std::vector<Record> records_of(NameView zone) const;
  Bytes soa_answer(const Query& query, bool sign) const;
  void run_udp();
  void run_tcp();
  void run_connection(int fd);
  void run_axfr(int fd, const Query& query, bool& over);
  /// False if the connection is to be closed.
  bool run_ixfr(int fd, const Query& query);
  void notified(ByteView wire, const Query& query, const sockaddr* peer, socklen_t size);

  Endpoint endpoint_;
  UniqueFd udp_fd_, tcp_fd_;
  std::atomic<bool> stopping_{false}, tcp_stopping_{false};
  std::thread udp_thread_, tcp_thread_;
  mutable std::mutex mutex_;
  std::vector<std::thread> connections_;                    // guarded by mutex_
  std::map<Name, std::vector<std::vector<Record>>> zones_;  // all versions, the newest last; guarded by mutex_
  std::map<Name, Axfr> axfr_of_;                            // guarded by mutex_
  std::shared_ptr<const TsigKey> key_;                      // guarded by mutex_
  TsigKeyring keyring_;                                     // guarded by mutex_
  std::vector<Serial> notified_;                            // guarded by mutex_
  IpAddress last_client_;                                   // guarded by mutex_
};

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit = std::chrono::seconds(20));

}  // namespace understudy
