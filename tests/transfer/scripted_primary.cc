#include "transfer/scripted_primary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <iterator>
#include <unordered_set>

#include "dns/edns.h"
#include "dns/rdata.h"
#include "dns/zonefile.h"

namespace understudy {

using namespace std::chrono_literals;

std::string zone_file_text(const ZoneSpec& spec) {
  std::string text = fmt::format(
      "$ORIGIN {}\n$TTL 300\n@ SOA ns1 admin {} {} {} {} 60\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\nns2 A 192.0.2.2\n",
      spec.name, spec.serial, spec.refresh, spec.retry, spec.expire);
  for (unsigned i = 0; i < spec.hosts; ++i)
    text += fmt::format("h{} A 10.{}.{}.{}\n", i, i >> 16, i >> 8 & 255, i & 255);
  return text + spec.extra;
}

std::vector<Record> zone_records(const ZoneSpec& spec) {
  std::vector<Record> records;
  const auto read =
      read_zone_text(zone_file_text(spec), "spec", *Name::parse(spec.name),
                     [&](NameView owner, RRType type, std::uint32_t ttl, ByteView rdata) -> Result<void> {
                       records.push_back({owner, type, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())});
                       return {};
                     });
  EXPECT_TRUE(read) << read.error().text();
  return records;
}

namespace {

bool readable(int fd, std::chrono::milliseconds limit) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, static_cast<int>(limit.count())) == 1;
}

bool receive_exactly(int fd, MutableBytes out, const std::atomic<bool>& stopping) {
  while (!out.empty()) {
    if (stopping) return false;
    if (!readable(fd, 20ms)) continue;
    const ssize_t n = recv(fd, out.data(), out.size(), 0);
    if (n <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

void send_all(int fd, ByteView data) {
  while (!data.empty()) {
    pollfd p{fd, POLLOUT, 0};
    if (poll(&p, 1, 2000) != 1) return;
    const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    data = data.subspan(static_cast<std::size_t>(n));
  }
}

void send_message(int fd, ByteView message) {
  Bytes framed;
  append_u16(framed, static_cast<std::uint16_t>(message.size()));
  append(framed, message);
  send_all(fd, framed);
}

std::uint64_t wall_now() {
  return static_cast<std::uint64_t>(std::time(nullptr));
}

}  // namespace

ScriptedPrimary::ScriptedPrimary(const IpAddress& address) : endpoint_{address, 0} {
  // A port that is free for UDP may be taken for TCP by somebody else's test.
  for (int attempt = 0; attempt < 50; ++attempt) {
    auto udp_socket = open_udp_socket({address, 0});
    if (!udp_socket) continue;
    const Endpoint bound = *local_endpoint(udp_socket->get());
    auto tcp_socket = open_tcp_listener(bound);
    if (!tcp_socket) continue;
    udp_fd_ = std::move(*udp_socket);
    tcp_fd_ = std::move(*tcp_socket);
    endpoint_ = bound;
    break;
  }
  udp_thread_ = std::thread([this] { run_udp(); });
  tcp_thread_ = std::thread([this] { run_tcp(); });
}

ScriptedPrimary::~ScriptedPrimary() {
  stop();
}

void ScriptedPrimary::stop() {
  if (stopping_.exchange(true)) return;
  udp_thread_.join();
  udp_fd_.reset();
  close_tcp();
}

void ScriptedPrimary::close_tcp() {
  tcp_stopping_ = true;
  if (tcp_thread_.joinable()) tcp_thread_.join();
  for (std::thread& thread : connections_) thread.join();
  connections_.clear();
  tcp_fd_.reset();
}

void ScriptedPrimary::resume() {
  udp_fd_ = std::move(*open_udp_socket(endpoint_));
  tcp_fd_ = std::move(*open_tcp_listener(endpoint_));
  stopping_ = tcp_stopping_ = false;
  udp_thread_ = std::thread([this] { run_udp(); });
  tcp_thread_ = std::thread([this] { run_tcp(); });
}

void ScriptedPrimary::serve(const ZoneSpec& spec) {
  std::vector<Record> records = zone_records(spec);
  std::lock_guard lock(mutex_);
  zones_[*Name::parse(spec.name)].push_back(std::move(records));
}

void ScriptedPrimary::set_key(std::shared_ptr<const TsigKey> key) {
  std::lock_guard lock(mutex_);
  keyring_ = {};
  if (key) keyring_.add(*key);
  key_ = std::move(key);
}

void ScriptedPrimary::set_axfr(const std::string& zone, Axfr behaviour) {
  std::lock_guard lock(mutex_);
  axfr_of_[*Name::parse(zone)] = behaviour;
}

std::vector<Serial> ScriptedPrimary::notified_serials() const {
  std::lock_guard lock(mutex_);
  return notified_;
}

IpAddress ScriptedPrimary::last_client() const {
  std::lock_guard lock(mutex_);
  return last_client_;
}

std::vector<Record> ScriptedPrimary::records_of(NameView zone) const {
  std::lock_guard lock(mutex_);
  const auto found = zones_.find(zone);
  return found == zones_.end() ? std::vector<Record>() : found->second.back();
}

namespace {

std::uint32_t serial_of(const std::vector<Record>& version) {
  return soa_view(version.front().rdata).serial;
}

/// Records of `a` that are not in `b`, without the SOA.
std::vector<Record> only_in(const std::vector<Record>& a, const std::vector<Record>& b) {
  const auto key = [](const Record& r) {
    std::string out(text_of(r.owner.lowered().wire()));
    for (const std::uint32_t part : {std::uint32_t{number(r.type)}, r.ttl}) out += fmt::format(" {} ", part);
    return out.append(text_of(r.rdata));
  };
  std::unordered_set<std::string> known;
  for (const Record& r : b) known.insert(key(r));
  std::vector<Record> out;
  std::copy_if(a.begin() + 1, a.end(), std::back_inserter(out),
               [&](const Record& r) { return !known.contains(key(r)); });
  return out;
}

}  // namespace

/// The answer section of an IXFR (RFC 1995 section 4); empty if nothing is known of the serial.
std::vector<Record> ScriptedPrimary::differences(const Query& query, Ixfr how) const {
  std::lock_guard lock(mutex_);
  const auto found = zones_.find(query.question.name);
  if (found == zones_.end()) return {};
  const auto& versions = found->second;
  const Record newest = versions.back().front();
  const Record stranger{*Name::prepend(view_of("stranger"), found->first), RRType::A, RRClass::IN, 60, {192, 0, 2, 77}};
  std::vector<Record> out{newest};
  if (how == Ixfr::single_soa || serial_of(versions.back()) == query.ixfr_serial) return out;
  auto at = std::find_if(versions.begin(), versions.end(),
                         [&](const auto& version) { return serial_of(version) == query.ixfr_serial; });
  if (at == versions.end()) return {};
  for (; at + 1 != versions.end(); ++at) {
    if (how == Ixfr::gap && at + 2 != versions.end() && serial_of(*at) != query.ixfr_serial) continue;
    Record old_soa = at->front();
    if (how == Ixfr::other_start) store_u32(old_soa.rdata.data() + old_soa.rdata.size() - 20, 4711);
    out.push_back(old_soa);
    for (const Record& r : only_in(*at, at[1])) out.push_back(r);
    if (how == Ixfr::missing_removal) out.push_back(stranger);
    out.push_back(at[1].front());
    for (const Record& r : only_in(at[1], *at)) out.push_back(r);
    if (how == Ixfr::doubled_addition) out.push_back(at->at(1));
  }
  out.push_back(newest);
  return out;
}

std::optional<ScriptedPrimary::Query> ScriptedPrimary::read(ByteView wire) const {
  const auto view = MessageView::parse(wire);
  if (!view || !view->question()) return std::nullopt;
  std::lock_guard lock(mutex_);
  auto session = verify_request(*view, keyring_, wall_now());
  if (!session || (key_ && (!*session || (*session)->error != Rcode::NOERROR))) return std::nullopt;
  Query query{view->header(), *view->question(), std::move(*session), view->edns().has_value(), 0};
  view->for_each_record([&](const RecordView& record) {
    if (record.section == Section::authority && record.type == RRType::SOA) {
      query.ixfr_serial = soa_view(*record.rdata()).serial;
    }
    return true;
  });
  return query;
}

Bytes ScriptedPrimary::answer(const Query& query, std::vector<Record> records, std::uint16_t flags, bool sign) const {
  Bytes buffer(max_message_size);
  MessageWriter writer(buffer, buffer.size());
  writer.set_header(query.header.id,
                    static_cast<std::uint16_t>(Header::qr | flags | opcode_bits(query.header.opcode())));
  writer.add_question(query.question.name, query.question.type, query.question.klass);
  for (const Record& r : records) writer.add_record(Section::answer, r.owner, r.type, r.klass, r.ttl, r.rdata);
  if (query.has_edns) {
    Bytes options, value;
    append_u32(value, static_cast<std::uint32_t>(expire_option.load()));
    const bool with_expire = !expire_with_soa_only || query.question.type == RRType::SOA;
    if (expire_option >= 0 && with_expire) append_edns_option(options, edns_expire, value);
    writer.add_opt(1232, Rcode::NOERROR, false, options);
  }
  buffer.resize(writer.size());
  if (sign && query.session) EXPECT_TRUE(sign_response(buffer, *query.session, wall_now()));
  return buffer;
}

Bytes ScriptedPrimary::soa_answer(const Query& query, bool sign) const {
  std::vector<Record> records = records_of(query.question.name);
  if (records.empty()) return answer(query, {}, number(Rcode::REFUSED), sign);
  records.resize(1);
  if (const std::uint32_t serial = lie_in_probe) {
    store_u32(records[0].rdata.data() + records[0].rdata.size() - 20, serial);
  }
  return answer(query, records, Header::aa, sign);
}

void ScriptedPrimary::run_udp() {
  Bytes buffer(4096);
  while (!stopping_) {
    if (!readable(udp_fd_.get(), 20ms)) continue;
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    auto* address = reinterpret_cast<sockaddr*>(&peer);
    const ssize_t n = recvfrom(udp_fd_.get(), buffer.data(), buffer.size(), 0, address, &size);
    if (n <= 0) continue;
    {
      std::lock_guard lock(mutex_);
      last_client_ = Endpoint::from_sockaddr(address, size)->address;
    }
    const ByteView wire = ByteView(buffer).first(static_cast<std::size_t>(n));
    const std::optional<Query> query = read(wire);
    if (!query) continue;
    if (query->header.opcode() == Opcode::NOTIFY) {
      notified(wire, *query, address, size);
      continue;
    }
    if (query->question.type == RRType::IXFR) {
      ++udp_ixfrs;
      Bytes whole = answer(*query, differences(*query, ixfr));
      if (whole.size() > 1232) whole = answer(*query, {records_of(query->question.name).front()});
      sendto(udp_fd_.get(), whole.data(), whole.size(), 0, address, size);
      continue;
    }
    ++udp_probes;
    if (probe_delay_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(probe_delay_ms));
    Bytes out;
    switch (udp.load()) {
      case Udp::answer:
        out = soa_answer(*query, true);
        break;
      case Udp::unsigned_answer:
        out = soa_answer(*query, false);
        break;
      case Udp::truncated:
        out = answer(*query, {}, Header::aa | Header::tc);
        break;
      case Udp::refused:
        out = answer(*query, {}, number(Rcode::REFUSED));
        break;
      case Udp::strange:  // guesses at the id, which go on until after the answer
        out = soa_answer(*query, true);
        for (std::uint16_t i = 1; i <= 32; ++i) {
          store_u16(out.data(), static_cast<std::uint16_t>(query->header.id + i));
          sendto(udp_fd_.get(), out.data(), out.size(), 0, address, size);
        }
        store_u16(out.data(), query->header.id);
        break;
      default:
        continue;
    }
    sendto(udp_fd_.get(), out.data(), out.size(), 0, address, size);
  }
}

void ScriptedPrimary::notified(ByteView wire, const Query& query, const sockaddr* peer, socklen_t size) {
  std::optional<Serial> serial;
  MessageView::parse(wire)->for_each_record([&](const RecordView& record) {
    if (record.type == RRType::SOA) serial = Serial{soa_view(*record.rdata()).serial};
    return true;
  });
  {
    std::lock_guard lock(mutex_);
    notified_.push_back(serial.value_or(Serial{0}));
  }
  ++notifies;
  if (!acknowledge) return;
  const Bytes out = answer(query, {});
  sendto(udp_fd_.get(), out.data(), out.size(), 0, peer, size);
}

void ScriptedPrimary::run_tcp() {
  while (!tcp_stopping_) {
    if (!readable(tcp_fd_.get(), 20ms)) continue;
    const int fd = accept4(tcp_fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    std::lock_guard lock(mutex_);
    connections_.emplace_back([this, fd] {
      run_connection(fd);
      close(fd);
    });
  }
}

void ScriptedPrimary::run_connection(int fd) {
  while (true) {
    std::uint8_t prefix[2];
    if (!receive_exactly(fd, prefix, tcp_stopping_)) return;
    Bytes wire(load_u16(prefix));
    if (!receive_exactly(fd, wire, tcp_stopping_)) return;
    const std::optional<Query> query = read(wire);
    if (!query) return;
    if (query->question.type == RRType::AXFR) {
      ++transfers;
      most_transfers_open = std::max(most_transfers_open.load(), ++transfers_open);
      bool over = false;
      run_axfr(fd, *query, over);
      if (!over) --transfers_open;
      return;
    }
    if (query->question.type == RRType::IXFR) {
      ++ixfrs;
      if (!run_ixfr(fd, *query)) return;
      continue;
    }
    ++tcp_probes;
    if (tcp == Tcp::silent) continue;
    send_message(fd, tcp == Tcp::refused ? answer(*query, {}, number(Rcode::REFUSED)) : soa_answer(*query, true));
  }
}

bool ScriptedPrimary::run_ixfr(int fd, const Query& query) {
  const Ixfr how = ixfr;
  if (how == Ixfr::silent) return true;
  if (how == Ixfr::refused || how == Ixfr::not_implemented) {
    send_message(fd, answer(query, {}, number(how == Ixfr::refused ? Rcode::REFUSED : Rcode::NOTIMP)));
    return true;
  }
  std::vector<Record> records = differences(query, how);
  if (how == Ixfr::whole || records.empty()) {
    records = records_of(query.question.name);
    records.push_back(records.front());
  }
  if (how == Ixfr::half_then_close) records.resize(records.size() / 2 + 1);
  constexpr std::size_t many = 1000;  // are sent in several messages, unless they would have to be signed as such
  const std::size_t step = records.size() <= many || query.session ? records.size() : 100;
  for (std::size_t at = 0; at < records.size(); at += step) {
    const auto begin = records.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = records.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, records.size()));
    send_message(fd, answer(query, {begin, end}));
  }
  return how != Ixfr::half_then_close;
}

void ScriptedPrimary::run_axfr(int fd, const Query& query, bool& over) {
  std::vector<Record> records = records_of(query.question.name);
  Axfr how = axfr;
  {
    std::lock_guard lock(mutex_);
    const auto special = axfr_of_.find(query.question.name);
    if (special != axfr_of_.end()) how = special->second;
  }
  const auto wait_for_the_end = [&] {
    std::uint8_t octet[1];
    receive_exactly(fd, octet, tcp_stopping_);
  };
  if (how == Axfr::silent) return wait_for_the_end();
  if (how == Axfr::refused || records.empty()) {
    return send_message(fd, answer(query, {}, number(Rcode::REFUSED)));
  }
  if (how == Axfr::older_serial) {
    Bytes& soa = records[0].rdata;
    store_u32(soa.data() + soa.size() - 20, load_u32(soa.data() + soa.size() - 20) - 1);
  }
  records.push_back(records[0]);
  std::optional<TsigResponseSigner> signer;
  if (query.session) signer.emplace(*query.session);
  const std::size_t step = records.size() < 100 ? 3 : 100;
  for (std::size_t at = 0; at < records.size(); at += step) {
    if ((how == Axfr::half_then_close || how == Axfr::half_then_silent) && at > records.size() / 2) {
      if (how == Axfr::half_then_silent) wait_for_the_end();
      return;
    }
    const auto end = records.begin() + static_cast<std::ptrdiff_t>(std::min(at + step, records.size()));
    Bytes message = answer(query, {records.begin() + static_cast<std::ptrdiff_t>(at), end}, Header::aa, false);
    if (signer) EXPECT_TRUE(signer->sign(message, wall_now()));
    if (end == records.end()) {  // before the other side can know that it is over
      over = true;
      --transfers_open;
    }
    if (how != Axfr::trickle) {
      send_message(fd, message);
      continue;
    }
    Bytes framed;
    append_u16(framed, static_cast<std::uint16_t>(message.size()));
    append(framed, message);
    for (const std::uint8_t octet : framed) {
      if (tcp_stopping_) return;
      send_all(fd, {&octet, 1});
      std::this_thread::sleep_for(10ms);
    }
  }
  wait_for_the_end();
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

}  // namespace understudy
