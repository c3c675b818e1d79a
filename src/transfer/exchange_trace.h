// What was sent and what came back in one attempt, message by message, for people who look for the reason of a failure.
//
// Notes cost a few octets each and are bounded: of a long answer the first and the last messages are kept. Text is made
// when it is asked for. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace understudy {

class ExchangeTrace {
 public:
  /// `when`: seconds since the attempt began; `over`: "UDP", "TCP".
  void sent(ByteView message, double when, std::string_view over) { note(true, message, when, over); }
  void received(ByteView message, double when, std::string_view over) { note(false, message, when, over); }

  /// One line for each message kept: "+0.012 s <- TCP id 4711 NOERROR QR AA, 1 question, 250 answers, ..., 16384
  /// octets".
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  struct Note {
    float when = 0;
    bool sent = false;
    bool udp = false;
    std::uint32_t size = 0;
    std::array<std::uint8_t, 12> header{};  // of the message, as far as there is one
  };
  static constexpr std::size_t most_first = 12, most_last = 12;

  void note(bool sent, ByteView message, double when, std::string_view over);
  static std::string text(const Note& note);

  std::vector<Note> first_;
  std::vector<Note> last_;  // a ring once it is full
  std::uint64_t count_ = 0;
};

}  // namespace understudy
