// A server without sockets: zones written as text, queries as bytes, the answers of one Responder.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "answer/message_text.h"
#include "answer/responder.h"
#include "base/qsbr.h"
#include "dns/tsig.h"
#include "zone/zone_fixture.h"
#include "zone/zone_table.h"

namespace understudy::answer_fixture {

using zone_fixture::name;

class TestEnvironment final : public AnswerEnvironment {
 public:
  TestEnvironment() {
    TsigKeyring ring;
    ring.add({name("key.example."), TsigAlgorithm::hmac_sha256, Bytes(32, 0x17)});
    settings_.keys = std::make_shared<const TsigKeyring>(std::move(ring));
  }

  [[nodiscard]] const ZoneTable* table() const override { return table_.get(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView zone, const IpAddress& from, std::optional<Serial> serial) override {
    notified.push_back(zone.text() + " " + from.text() + " " + (serial ? std::to_string(serial->value) : "-"));
  }

  /// A zone without data; publish() gives it some.
  ZoneSlot& add_slot(std::string_view apex, ZoneAccess access = {}) {
    slots_.push_back(std::make_shared<ZoneSlot>(name(apex), std::make_shared<const ZoneAccess>(std::move(access))));
    table_ = std::make_unique<ZoneTable>(slots_);
    return *slots_.back();
  }
  ZoneSlot& add_zone(std::string_view apex, const std::vector<Record>& records, ZoneAccess access = {}) {
    ZoneSlot& slot = add_slot(apex, std::move(access));
    slot.publish(zone_fixture::build(records, apex));
    return slot;
  }
  ZoneSlot& add_zone(std::string_view apex, std::string_view text, ZoneAccess access = {}) {
    return add_zone(apex, zone_fixture::records(text, apex), std::move(access));
  }
  /// Cookies with a secret of its own, and what plain::Settings expects of NSID.
  void give_identity() {
    settings_.edns.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey{1, 2}});
    const std::string_view nsid = "plain";
    settings_.edns.nsid.assign(nsid.begin(), nsid.end());
  }
  AnswerSettings& mutable_settings() { return settings_; }
  ManualClock& manual_clock() { return clock_; }

  std::vector<std::string> notified;

 private:
  ManualClock clock_;
  AnswerSettings settings_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
};

/// One query; every field is what a test may want to be odd.
struct Query {
  std::string qname;
  RRType type = RRType::A;
  RRClass klass = RRClass::IN;
  std::uint16_t flags = 0;  // opcode in its place
  bool edns = false;
  bool dnssec_ok = false;
  std::uint16_t udp_size = 1232;
  std::uint8_t version = 0;
  std::uint16_t z_flags = 0;
  Bytes options;
  unsigned opts = 1;  // how many OPT records, if `edns`
  std::vector<Record> answers, authority;

  [[nodiscard]] Bytes bytes() const {
    Bytes out(max_message_size);
    MessageWriter writer(out, out.size());
    writer.set_header(0x4d2, flags);
    if (!qname.empty()) writer.add_question(name(qname), type, klass);
    for (const Record& r : answers) writer.add_record(Section::answer, r.owner, r.type, r.klass, r.ttl, r.rdata);
    for (const Record& r : authority) writer.add_record(Section::authority, r.owner, r.type, r.klass, r.ttl, r.rdata);
    for (unsigned i = 0; edns && i < opts; ++i) {
      writer.add_opt(udp_size, Rcode::NOERROR, dnssec_ok, options);
      std::uint8_t* flags_at = &out[writer.size() - options.size() - 5];
      flags_at[0] = version;
      store_u16(flags_at + 1, static_cast<std::uint16_t>(z_flags | (dnssec_ok ? 0x8000 : 0)));
    }
    out.resize(writer.size());
    return out;
  }
};

/// One Responder over one environment.
class TestServer {
 public:
  TestEnvironment environment;
  AnswerCounters counters;

  TestServer() : responder_(environment, counters) {
    set_peer("192.0.2.99");
    responder_.set_idle_time(std::chrono::seconds(10));
  }
  void set_peer(std::string_view address) {
    (void)Endpoint{IpAddress::parse(address).value(), 4242}.to_sockaddr(peer_);
  }
  void set_fast_path(bool on) { responder_.set_fast_path(on); }

  [[nodiscard]] Bytes udp(ByteView query) {
    Bytes buffer(2048, 0xee);
    // What is behind a query must not matter: a copy of exactly its size lets the sanitizer see reads over the end.
    const Bytes exact(query.begin(), query.end());
    Datagram datagram;
    datagram.query = exact.data();
    datagram.query_size = static_cast<std::uint32_t>(exact.size());
    datagram.response = buffer.data();
    datagram.response_capacity = static_cast<std::uint32_t>(buffer.size());
    datagram.peer = reinterpret_cast<const sockaddr*>(&peer_);
    responder_.answer_batch({&datagram, 1});
    buffer.resize(datagram.response_size);
    return buffer;
  }
  [[nodiscard]] Bytes tcp(ByteView query) {
    Bytes buffer(max_message_size, 0xee);
    const Bytes exact(query.begin(), query.end());
    rest.reset();
    buffer.resize(responder_.answer(exact, reinterpret_cast<const sockaddr*>(&peer_), buffer, rest));
    return buffer;
  }
  [[nodiscard]] Bytes ask(ByteView query, Transport transport) {
    return transport == Transport::udp ? udp(query) : tcp(query);
  }
  [[nodiscard]] std::string udp_text(const Query& query) { return joined(message_lines(udp(query.bytes()))); }
  [[nodiscard]] std::string tcp_text(const Query& query) { return joined(message_lines(tcp(query.bytes()))); }

  std::unique_ptr<ResponseSource> rest;  // of the last tcp()
  Responder& responder() { return responder_; }

 private:
  Responder responder_;
  sockaddr_storage peer_{};
};

}  // namespace understudy::answer_fixture
