// A load that keeps a server busy: as many queries as it takes, so that it never has to wait for one. dnsperf on a core
// asks less than a fast server answers; what is measured then is mostly what falling asleep and waking costs.
//
//   blast PORT FILE [-D] [-t SECONDS] [-n QUERIES] [-w WINDOW] [-c SOCKETS]
//   blast PORT FILE -T PER_CONNECTION [-D] [-t SECONDS] [-n QUERIES] [-c CONNECTIONS]
//
// Asks 127.0.0.1 at PORT what FILE says (a name and a type a line, as dnsperf reads it), with EDNS and DO if -D says
// so, for SECONDS (2) or until QUERIES are sent. WINDOW (192) queries are under way, over SOCKETS (8): fewer than a
// receive buffer of the usual 208 KiB holds, so that what is lost is the server's doing. It never sleeps and takes the
// core that it runs on. Prints one line of JSON, and fails if nobody listens there.
//
// All queries that go out together are one buffer for the kernel to cut (UDP_SEGMENT): 1.1 us a query where sending
// each takes 1.9. Its pieces must be of one size; so queries of one size go out together, each size as often as the
// file has it. So it asks some 600,000 queries a second, and floor.cc, which does nothing but receive and send, takes
// 500,000 on the other core (AMD EPYC, 2026-11-29).
//
// With -T it asks by TCP: CONNECTIONS (32) at a time, each opened for PER_CONNECTION queries that go out together, and
// closed when all are answered. They come from many loopback addresses, as ports rest for a minute after each.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/bytes.h"
#include "dns/message.h"
#include "dns/name.h"
#include "dns/type.h"

using namespace understudy;

namespace {

constexpr std::size_t most_slots = 64;  // of a socket; the kernel cuts a buffer into no more (UDP_MAX_SEGMENTS)
constexpr std::int64_t patience = 1'000'000'000;  // ns until a query counts as lost

struct Options {
  std::uint16_t port = 0;
  std::string file;
  bool dnssec_ok = false;
  double seconds = 2;
  std::uint64_t queries = 1'000'000'000;
  std::size_t window = 192, sockets = 8;
  std::optional<std::size_t> per_connection;  // by TCP if there is one
};

struct Totals {
  std::uint64_t sent = 0, answered = 0, lost = 0;
  std::uint64_t stray = 0;      // answers to nothing that is under way: second ones, and those after the patience
  std::uint64_t truncated = 0;  // answers with TC
  std::uint64_t octets = 0;     // of answers
  std::uint64_t rcodes[16] = {};
  double latency = 0;  // ns, of all answers
};

[[noreturn]] void end(const std::string& why) {
  std::fprintf(stderr, "blast: %s\n", why.c_str());
  std::exit(1);
}

std::string system_words() {
  return std::generic_category().message(errno);
}

std::int64_t now() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

/// The queries of the file, encoded, those of one size behind each other.
class Queries {
 public:
  explicit Queries(const Options& options) {
    std::ifstream file(options.file);
    std::map<std::size_t, std::uint32_t> size_at;  // in sizes_
    for (std::string name, type; file >> name >> type;) {
      const Bytes wire = encode(name, type, options.dnssec_ok);
      const auto [found, is_new] = size_at.try_emplace(wire.size(), sizes_.size());
      if (is_new) sizes_.push_back({wire.size(), {}, 0});
      append(sizes_[found->second].wires, wire);
      lines_.push_back(found->second);
    }
    if (lines_.empty()) end(options.file + " has no queries");
  }

  /// Up to `count` queries of one size, behind each other in `out`; returns the size of one.
  std::size_t take(std::size_t count, Bytes& out) {
    OfSize& of = sizes_[lines_[random() % lines_.size()]];
    out.clear();
    for (; count != 0; --count) {
      append(out, ByteView(of.wires).subspan(of.next, of.size));
      of.next = of.next + of.size == of.wires.size() ? 0 : of.next + of.size;
    }
    return of.size;
  }

 private:
  struct OfSize {
    std::size_t size;
    Bytes wires;
    std::size_t next;  // where in them
  };

  static Bytes encode(const std::string& name, const std::string& type, bool dnssec_ok) {
    const auto owner = Name::parse(name);
    const auto number = type_from_text(type);
    if (!owner || !number) end("cannot ask for " + name + " " + type);
    Bytes wire(512);
    MessageWriter writer(wire, wire.size());
    writer.set_header(0, 0);
    writer.add_question(*owner, *number, RRClass::IN);
    if (dnssec_ok) writer.add_opt(1232, Rcode::NOERROR, true, {});
    wire.resize(writer.size());
    return wire;
  }

  // xorshift64: which size is next.
  std::uint64_t random() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }

  std::vector<OfSize> sizes_;
  std::vector<std::uint32_t> lines_;  // of each line, which of sizes_ it is
  std::uint64_t random_ = 0x9e37'79b9'7f4a'7c15;
};

/// A connected socket and its share of what is under way. A query's id is its slot and how often that was used.
class Link {
 public:
  Link(const Options& options, std::size_t slots, Totals& totals) : totals_(totals), slots_(slots) {
    fd_ = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_port = htons(options.port);
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof server) != 0) end(system_words());
    for (std::size_t i = 0; i < slots; ++i) free_[free_count_++] = static_cast<std::uint8_t>(i);
    for (std::size_t i = 0; i < most_slots; ++i) {
      parts_[i] = {heads_[i].data(), heads_[i].size()};
      in_[i].msg_hdr.msg_iov = &parts_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  ~Link() { close(fd_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Takes all answers that are there. Of each the header is copied, its size is told.
  void receive() {
    if (free_count_ == slots_.size()) return;
    const int n = recvmmsg(fd_, in_.data(), most_slots, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) end("no answer: " + system_words());
    const std::int64_t at = now();
    for (int i = 0; i < n; ++i)
      take(heads_[static_cast<std::size_t>(i)].data(), in_[static_cast<std::size_t>(i)].msg_len, at);
  }

  /// Sends what may be, once that is worth a call.
  void send(Queries& queries) {
    if (free_count_ * 2 < slots_.size()) return;
    const std::int64_t at = now();
    const std::size_t size = queries.take(free_count_, out_);
    for (std::size_t i = 0; i < free_count_; ++i) {
      Slot& slot = slots_[free_[i]];
      slot = {at, static_cast<std::uint8_t>(slot.uses + 1), true};
      store_u16(&out_[i * size], static_cast<std::uint16_t>(slot.uses << 8 | free_[i]));
    }
    put(size);
    totals_.sent += free_count_;
    free_count_ = 0;
  }

  /// Gives up what has not been answered for long.
  void forget_lost() {
    const std::int64_t at = now();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (!slots_[i].is_waiting || at - slots_[i].sent_at < patience) continue;
      ++totals_.lost;
      release(i);
    }
  }

  [[nodiscard]] std::size_t under_way() const { return slots_.size() - free_count_; }

 private:
  struct Slot {
    std::int64_t sent_at = 0;
    std::uint8_t uses = 0;
    bool is_waiting = false;
  };

  void take(const std::uint8_t* head, std::size_t size, std::int64_t at) {
    const std::uint16_t id = load_u16(head), flags = load_u16(head + 2);
    const std::size_t number = id & 0xff;
    if (size < header_size || (flags & Header::qr) == 0 || number >= slots_.size() || !slots_[number].is_waiting ||
        slots_[number].uses != id >> 8) {
      ++totals_.stray;
      return;
    }
    ++totals_.answered;
    ++totals_.rcodes[flags & 15];
    if ((flags & Header::tc) != 0) ++totals_.truncated;
    totals_.octets += size;
    totals_.latency += static_cast<double>(at - slots_[number].sent_at);
    release(number);
  }

  void release(std::size_t slot) {
    slots_[slot].is_waiting = false;
    free_[free_count_++] = static_cast<std::uint8_t>(slot);
  }

  /// out_, which the kernel cuts into pieces of `size`.
  void put(std::size_t size) {
    iovec part{out_.data(), out_.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = IPPROTO_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto octets = static_cast<std::uint16_t>(size);
    std::memcpy(CMSG_DATA(segment), &octets, sizeof octets);
    if (sendmsg(fd_, &message, 0) < 0) end("cannot send: " + system_words());
  }

  Totals& totals_;
  int fd_;
  std::vector<Slot> slots_;
  std::size_t free_count_ = 0;
  std::array<std::uint8_t, most_slots> free_{};  // slots that nothing is under way of
  std::array<mmsghdr, most_slots> in_{};
  std::array<iovec, most_slots> parts_{};
  std::array<std::array<std::uint8_t, header_size>, most_slots> heads_{};
  Bytes out_;
};

/// One TCP connection after the other. An answer's latency counts from the connection's begin.
class Connection {
 public:
  Connection(const Options& options, std::uint32_t number, Totals& totals)
      : options_(options), totals_(totals), number_(number) {}
  ~Connection() { end_it(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void begin(Queries& queries) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    // 127.1.0.0/16: another address each time; connect() chooses a port that is free for the pair of addresses.
    source_ = (source_ + 1) % sources;
    const sockaddr_in from = address(0x7f01'0001U + (number_ << 8) + source_, 0);
    const sockaddr_in to = address(INADDR_LOOPBACK, options_.port);
    if (fd_ < 0 || setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(fd_, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
        (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)) {
      end("no connection: " + system_words());
    }
    begun_at_ = now();
    out_.clear();
    left_ = *options_.per_connection;
    for (std::size_t i = 0; i < left_; ++i) {
      const std::size_t size = queries.take(1, query_);
      store_u16(query_.data(), static_cast<std::uint16_t>(i));
      out_.push_back(static_cast<std::uint8_t>(size >> 8));
      out_.push_back(static_cast<std::uint8_t>(size & 0xff));
      append(out_, query_);
    }
    sent_ = filled_ = 0;
    totals_.sent += left_;
  }

  /// Does what can be done now. False: this connection is over.
  bool step() {
    if (sent_ < out_.size()) {
      const ssize_t n = send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (n > 0) sent_ += static_cast<std::size_t>(n);
      if (n < 0 && errno == ECONNREFUSED) end("no answer: " + system_words());
      if (n < 0 && errno != EAGAIN) return give_up();
    }
    const ssize_t n = recv(fd_, in_.data() + filled_, in_.size() - filled_, 0);
    if (n < 0 && errno == EAGAIN) return now() - begun_at_ < patience || give_up();
    if (n <= 0) return give_up();
    filled_ += static_cast<std::size_t>(n);
    take_answers();
    if (left_ != 0) return true;
    end_it();
    return false;
  }

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }

 private:
  static constexpr std::uint32_t sources = 199;

  static sockaddr_in address(std::uint32_t host, std::uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(host);
    return out;
  }

  void take_answers() {
    const std::int64_t at = now();
    std::size_t begin = 0;
    while (left_ != 0 && filled_ - begin >= 2 + header_size) {
      const std::size_t size = load_u16(&in_[begin]);
      if (filled_ - begin < 2 + size) break;
      ++totals_.answered;
      ++totals_.rcodes[load_u16(&in_[begin + 2 + 2]) & 15];
      totals_.octets += size;
      totals_.latency += static_cast<double>(at - begun_at_);
      begin += 2 + size;
      --left_;
    }
    std::copy(in_.data() + begin, in_.data() + filled_, in_.data());
    filled_ -= begin;
  }

  bool give_up() {
    totals_.lost += left_;
    end_it();
    return false;
  }

  void end_it() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  const Options& options_;
  Totals& totals_;
  const std::uint32_t number_;
  std::uint32_t source_ = 0;
  int fd_ = -1;
  std::int64_t begun_at_ = 0;
  Bytes query_, out_;
  std::size_t sent_ = 0, filled_ = 0, left_ = 0;
  std::array<std::uint8_t, 2 * 65'537> in_{};
};

/// The same as run(), by TCP.
double run_connections(const Options& options, Queries& queries, Totals& totals) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::uint32_t i = 0; i < options.sockets; ++i) {
    connections.push_back(std::make_unique<Connection>(options, i, totals));
  }
  const std::int64_t begin = now(), stop = begin + static_cast<std::int64_t>(options.seconds * 1e9);
  double asking = 0;
  bool asks = true;
  for (bool is_busy = true; is_busy;) {
    if (asks && (now() >= stop || totals.sent >= options.queries)) {
      asks = false;
      asking = static_cast<double>(now() - begin) / 1e9;
    }
    is_busy = asks;
    for (const auto& connection : connections) {
      if (asks && !connection->is_open()) connection->begin(queries);
      if (connection->is_open() && connection->step()) is_busy = true;
    }
  }
  return asking;
}

/// Asks until the time or the number is over, then waits for what is under way. Returns seconds of asking.
double run(const Options& options, Queries& queries, Totals& totals) {
  std::vector<std::unique_ptr<Link>> links;
  for (std::size_t i = 0; i < options.sockets; ++i) {
    links.push_back(std::make_unique<Link>(options, options.window / options.sockets, totals));
  }
  const std::int64_t begin = now(), stop = begin + static_cast<std::int64_t>(options.seconds * 1e9);
  std::int64_t time = begin;
  for (std::uint64_t round = 0; time < stop && totals.sent < options.queries; ++round) {
    for (const auto& link : links) {
      link->receive();
      link->send(queries);
    }
    if (round % 64 != 0) continue;
    time = now();
    for (const auto& link : links) link->forget_lost();
  }
  const double asking = static_cast<double>(now() - begin) / 1e9;
  for (bool waits = true; waits;) {
    waits = false;
    for (const auto& link : links) {
      link->receive();
      link->forget_lost();
      waits |= link->under_way() != 0;
    }
  }
  return asking;
}

void print(const Totals& totals, double seconds) {
  const auto count = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  const double answered = static_cast<double>(std::max<std::uint64_t>(totals.answered, 1));
  std::printf("{\"sent\": %llu, \"answered\": %llu, \"lost\": %llu, \"stray\": %llu, \"truncated\": %llu, ",
              count(totals.sent), count(totals.answered), count(totals.lost), count(totals.stray),
              count(totals.truncated));
  std::printf("\"seconds\": %.3f, \"latency_ms\": %.4f, \"octets\": %.1f, \"codes\": {", seconds,
              totals.latency / answered / 1e6, static_cast<double>(totals.octets) / answered);
  const char* separator = "";
  for (std::uint16_t code = 0; code < 16; ++code) {
    if (totals.rcodes[code] == 0) continue;
    std::printf("%s\"%s\": %llu", separator, rcode_text(static_cast<Rcode>(code)).c_str(), count(totals.rcodes[code]));
    separator = ", ";
  }
  std::puts("}}");
}

Options read_options(int count, char** words) {
  constexpr const char* usage =
      "usage: blast PORT FILE [-D] [-t SECONDS] [-n QUERIES] [-w WINDOW] [-c SOCKETS] [-T PER_CONNECTION]";
  constexpr std::size_t most_per_connection = 1000, most_connections = 255;
  Options options;
  std::size_t sockets = 0;
  for (int letter; (letter = getopt(count, words, "Dt:n:w:c:T:")) != -1;) {
    if (letter == 'D')
      options.dnssec_ok = true;
    else if (letter == 't')
      options.seconds = std::strtod(optarg, nullptr);
    else if (letter == 'n')
      options.queries = std::strtoull(optarg, nullptr, 10);
    else if (letter == 'w')
      options.window = std::strtoull(optarg, nullptr, 10);
    else if (letter == 'c')
      sockets = std::strtoull(optarg, nullptr, 10);
    else if (letter == 'T')
      options.per_connection = std::strtoull(optarg, nullptr, 10);
    else
      end(usage);
  }
  if (count - optind != 2) end(usage);
  const unsigned long port = std::strtoul(words[optind], nullptr, 10);
  options.port = static_cast<std::uint16_t>(port);
  options.file = words[optind + 1];
  if (port == 0 || port > 65535) end(usage);
  const bool by_tcp = options.per_connection.has_value();
  if (by_tcp) options.sockets = 32;
  if (sockets != 0) options.sockets = sockets;
  if (by_tcp && (*options.per_connection == 0 || *options.per_connection > most_per_connection ||
                 options.sockets > most_connections)) {
    end("a connection has 1 to 1000 queries, and up to 255 are open at a time");
  }
  const std::size_t slots = options.window / options.sockets;
  if (!by_tcp && (slots == 0 || slots > most_slots))
    end("a socket has 1 to " + std::to_string(most_slots) + " queries under way");
  if (!(options.seconds > 0) || options.seconds > 600) end("SECONDS are more than 0 and up to 600");
  return options;
}

}  // namespace

int main(int count, char** words) {
  const Options options = read_options(count, words);
  Queries queries(options);
  Totals totals;
  const double seconds =
      options.per_connection ? run_connections(options, queries, totals) : run(options, queries, totals);
  print(totals, seconds);
  return totals.answered == 0 ? 1 : 0;
}
