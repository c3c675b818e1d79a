// What the micro benchmarks have in common: zones like those of bench/zones.py, an environment for a Responder,
// queries.
#pragma once

#include <netinet/in.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "answer/responder.h"
#include "base/clock.h"
#include "dns/edns.h"
#include "dns/message.h"
#include "dns/nsec3.h"
#include "zone/builder.h"
#include "zone/zone_table.h"

namespace understudy::bench {

constexpr std::uint32_t ttl = 3600;

inline Name name(const std::string& text) {
  return Name::parse(text).value();
}

inline const Name& apex() {
  static const Name made = name("bench.");
  return made;
}

inline Bytes soa_rdata(std::uint32_t serial) {
  Bytes out;
  append(out, name("ns.bench.").wire());
  append(out, name("admin.bench.").wire());
  for (const std::uint32_t field : {serial, 7200U, 3600U, 1209600U, 300U}) append_u32(out, field);
  return out;
}

inline Name host(std::uint32_t i) {
  return name("host" + std::to_string(i) + ".bench.");
}
inline Name delegation(std::uint32_t i) {
  return name("dom" + std::to_string(i) + ".bench.");
}

inline ZoneBuilder begin_zone() {
  ZoneBuilder builder(apex());
  (void)builder.add(apex(), RRType::SOA, ttl, soa_rdata(1));
  (void)builder.add(apex(), RRType::NS, ttl, name("ns.bench.").wire());
  return builder;
}

inline void add_host(ZoneBuilder& builder, std::uint32_t i) {
  Bytes a(4), aaaa(16, 0x20);
  store_u32(a.data(), 0x0a00'0000 + i);
  store_u32(aaaa.data() + 12, i);
  (void)builder.add(host(i), RRType::A, ttl, a);
  (void)builder.add(host(i), RRType::AAAA, ttl, aaaa);
}

inline void add_delegation(ZoneBuilder& builder, std::uint32_t i) {
  const std::string hoster = ".hoster" + std::to_string(i % 1000) + ".bench.";
  for (const char* server : {"ns1", "ns2"}) {
    (void)builder.add(delegation(i), RRType::NS, ttl, name(server + hoster).wire());
  }
  if (i % 3 == 0) (void)builder.add(delegation(i), RRType::DS, ttl, Bytes(36, 7));
  if (i % 3 == 1) (void)builder.add(name("ns1.dom" + std::to_string(i) + ".bench."), RRType::A, ttl, Bytes(4, 9));
}

/// An RRset of one record with a signature of the size of ECDSA's.
inline void add_signed(ZoneBuilder& builder, const Name& owner, RRType type, ByteView rdata) {
  (void)builder.add(owner, type, ttl, rdata);
  Bytes signature;
  append_u16(signature, number(type));
  signature.resize(18, 1);
  append(signature, apex().wire());
  signature.resize(signature.size() + 64, 7);
  (void)builder.add(owner, RRType::RRSIG, ttl, signature);
}

/// Whom the record names as the next does not matter for what is sent.
inline void add_denial(ZoneBuilder& builder, const Name& owner, RRType chain) {
  if (chain == RRType::NSEC) {
    Bytes rdata(owner.wire().begin(), owner.wire().end());
    append(rdata, Bytes{0, 6, 0x40, 0, 0, 0, 0, 3});
    return add_signed(builder, owner, chain, rdata);
  }
  Bytes rdata{1, 0, 0, 0, 0, 20};
  const Nsec3Hash hash = nsec3_hash(owner, nsec3_params(rdata));
  append(rdata, hash);
  append(rdata, Bytes{0, 6, 0x40, 0, 0, 0, 0, 2});
  const Nsec3Label label = nsec3_label(hash);
  add_signed(builder, Name::prepend(ByteView(label), apex()).value(), chain, rdata);
}

/// A signed zone with a chain of `chain` over `hosts` names.
inline std::shared_ptr<const Zone> signed_zone(RRType chain, std::uint32_t hosts) {
  ZoneBuilder builder(apex());
  add_signed(builder, apex(), RRType::SOA, soa_rdata(1));
  add_signed(builder, apex(), RRType::NS, name("ns.bench.").wire());
  if (chain == RRType::NSEC3) add_signed(builder, apex(), RRType::NSEC3PARAM, Bytes{1, 0, 0, 0, 0});
  add_denial(builder, apex(), chain);
  for (std::uint32_t i = 0; i < hosts; ++i) {
    add_signed(builder, host(i), RRType::A, Bytes{192, 0, 2, 1});
    add_denial(builder, host(i), chain);
  }
  return builder.finish().value();
}

/// Serves the zones that it is given.
class Environment final : public AnswerEnvironment {
 public:
  explicit Environment(const std::vector<std::shared_ptr<const Zone>>& zones) {
    for (const auto& zone : zones) {
      slots_.push_back(std::make_shared<ZoneSlot>(Name(zone->apex()), std::make_shared<const ZoneAccess>()));
      slots_.back()->publish(zone);
    }
    table_ = std::make_unique<ZoneTable>(slots_);
    settings_.keys = std::make_shared<const TsigKeyring>();
    settings_.edns.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey{1, 2}});
  }
  [[nodiscard]] const ZoneTable* table() const override { return table_.get(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView, const IpAddress&, std::optional<Serial>) override {}

 private:
  SystemClock clock_;
  AnswerSettings settings_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
};

enum class AskEdns : std::uint8_t { no, yes, dnssec_ok };

inline Bytes query(const Name& owner, RRType type, AskEdns edns = AskEdns::no, ByteView options = {}) {
  Bytes out(1024);
  MessageWriter writer(out, out.size());
  writer.set_header(1, 0);
  writer.add_question(owner, type, RRClass::IN);
  if (edns != AskEdns::no) writer.add_opt(1232, Rcode::NOERROR, edns == AskEdns::dnssec_ok, options);
  out.resize(writer.size());
  return out;
}

/// A batch of 32, as UDP workers give them, from a list of queries that begins again at its end.
class Batches {
 public:
  static constexpr std::size_t width = 32;

  explicit Batches(std::vector<Bytes> queries)
      : queries_(std::move(queries)), room_(width, Bytes(4096)), batch_(width) {
    peer_.sin_family = AF_INET;
    peer_.sin_addr.s_addr = htonl(0xc0000263);
  }
  std::span<Datagram> next() {
    for (std::size_t i = 0; i < width; ++i) {
      const Bytes& query = queries_[at_];
      at_ = at_ + 1 == queries_.size() ? 0 : at_ + 1;
      batch_[i] = {};
      batch_[i].query = query.data();
      batch_[i].query_size = static_cast<std::uint32_t>(query.size());
      batch_[i].response = room_[i].data();
      batch_[i].response_capacity = 4096;
      batch_[i].peer = reinterpret_cast<const sockaddr*>(&peer_);
    }
    return batch_;
  }

 private:
  std::vector<Bytes> queries_;
  std::vector<Bytes> room_;
  std::vector<Datagram> batch_;
  sockaddr_in peer_{};
  std::size_t at_ = 0;
};

}  // namespace understudy::bench
