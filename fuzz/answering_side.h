// What the query and zone fuzz targets share: a server without sockets next to the plain composer of the tests, and the
// demand that both say the same.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "answer/plain_composer.h"
#include "answer/responder.h"
#include "base/clock.h"
#include "dns/record.h"
#include "zone/builder.h"
#include "zone/zone_table.h"

namespace understudy::fuzzing {

[[noreturn]] inline void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::abort();
}

class Environment final : public AnswerEnvironment {
 public:
  Environment() {
    settings_.keys = std::make_shared<const TsigKeyring>();
    settings_.edns.cookies = std::make_shared<const CookieSecrets>(std::vector{SipKey{1, 2}});
    const std::string_view nsid = "plain";
    settings_.edns.nsid.assign(nsid.begin(), nsid.end());
  }
  [[nodiscard]] const ZoneTable* table() const override { return table_.get(); }
  [[nodiscard]] const AnswerSettings* settings() const override { return &settings_; }
  void set(const plain::Settings& settings) {
    settings_.follows_aliases = settings.follows_aliases;
    settings_.minimal_responses = settings.minimal_responses;
  }
  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void notify(NameView, const IpAddress&, std::optional<Serial>) override { give_up("nobody may notify here"); }

  ZoneSlot& add(NameView apex) {
    slots_.push_back(std::make_shared<ZoneSlot>(apex, std::make_shared<const ZoneAccess>()));
    table_ = std::make_unique<ZoneTable>(slots_);
    return *slots_.back();
  }

 private:
  ManualClock clock_;
  AnswerSettings settings_;
  std::vector<std::shared_ptr<ZoneSlot>> slots_;
  std::unique_ptr<ZoneTable> table_;
};

/// Zones, answered from by both ways of the Responder and by the plain composer.
class AnsweringSide {
 public:
  AnsweringSide() : responder_(environment_, counters_) {}

  void add(NameView apex, const std::vector<Record>& records, std::shared_ptr<const Zone> version) {
    environment_.add(apex).publish(std::move(version));
    plain_.emplace_back(apex, records);
  }
  void add_without_data(NameView apex, plain::Zone::State state) {
    ZoneSlot& slot = environment_.add(apex);
    if (state == plain::Zone::State::expired) slot.set_expired();
    plain_.emplace_back(apex, std::vector<Record>(), state);
  }

  /// Answers `query` in every way, with settings that its octets choose; ends the program where one is wrong.
  void ask(ByteView query) {
    const auto chosen = static_cast<unsigned>(std::accumulate(query.begin(), query.end(), 0));
    plain::Settings settings;
    settings.follows_aliases = (chosen & 1) != 0;
    settings.minimal_responses = (chosen & 6) == 6;
    environment_.set(settings);
    for (const bool fast : {true, false}) {
      responder_.set_fast_path(fast);
      for (const bool tcp : {false, true}) {
        const auto expected = plain::answer(plain_, query, tcp, settings);
        const Bytes response = tcp ? by_tcp(query) : by_udp(query);
        const std::string wrong =
            expected ? plain::check_response(*expected, query, response, tcp, settings) : check_readable(response);
        if (!wrong.empty()) give_up(wrong + (fast ? " (fast path, " : " (slow path, ") + (tcp ? "TCP)" : "UDP)"));
      }
    }
  }

 private:
  Bytes by_udp(ByteView query) {
    Bytes buffer(2048);
    Datagram datagram;
    datagram.query = query.data();
    datagram.query_size = static_cast<std::uint32_t>(query.size());
    datagram.response = buffer.data();
    datagram.response_capacity = static_cast<std::uint32_t>(buffer.size());
    responder_.answer_batch({&datagram, 1});
    buffer.resize(datagram.response_size);
    return buffer;
  }
  Bytes by_tcp(ByteView query) {
    Bytes buffer(max_message_size);
    std::unique_ptr<ResponseSource> rest;
    buffer.resize(responder_.answer(query, nullptr, buffer, rest));
    if (rest != nullptr) give_up("nobody may transfer here");
    return buffer;
  }
  static std::string check_readable(const Bytes& response) {
    if (response.empty()) return {};
    const auto message = MessageView::parse(response);
    return message ? std::string() : message.error().text();
  }

  Environment environment_;
  AnswerCounters counters_;
  Responder responder_;
  std::vector<plain::Zone> plain_;
};

}  // namespace understudy::fuzzing
