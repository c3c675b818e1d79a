// What the tests of streams have answered: messages whose third octet says what is wanted.
#pragma once

#include <atomic>
#include <memory>

#include "base/datagram.h"
#include "peers.h"

namespace understudy {

/// `count` messages of `size` octets with the id of the query, numbered in octets 2 and 3; may fail at the end.
class NumberedSource final : public ResponseSource {
 public:
  NumberedSource(std::uint16_t id, std::uint16_t count, std::size_t size, bool fails, std::atomic<int>* alive)
      : id_(id), count_(count), size_(size), fails_(fails), alive_(alive) {
    if (alive_ != nullptr) ++*alive_;
  }
  ~NumberedSource() override {
    if (alive_ != nullptr) --*alive_;
  }
  NumberedSource(const NumberedSource&) = delete;
  NumberedSource& operator=(const NumberedSource&) = delete;

  Step next(Bytes& out) override {
    if (next_ == count_) return fails_ ? Step::failed : Step::done;
    out = message(id_, size_);
    store_u16(&out[2], next_++);
    return Step::message;
  }

 private:
  const std::uint16_t id_;
  const std::uint16_t count_;
  const std::size_t size_;
  const bool fails_;
  std::atomic<int>* const alive_;
  std::uint16_t next_ = 0;
};

/// Octet 2 of a query: 'e' echo; 'x' no answer; 'b' a big answer of 60000 octets; 't' a transfer of as many messages
/// as octets 3 and 4 say, with 20000 octets each; 'f' the same, failing at the end; 's' a transfer of tiny messages.
class ScriptedHandler final : public StreamHandler {
 public:
  std::size_t answer(ByteView request, const sockaddr* peer, MutableBytes response,
                     std::unique_ptr<ResponseSource>& rest) override {
    EXPECT_GE(response.size(), 65535U);
    EXPECT_NE(peer, nullptr);
    ++calls;
    const std::uint16_t id = load_u16(request.data());
    const std::uint16_t count = load_u16(&request[3]);
    switch (request[2]) {
      case 'x':
        return 0;
      case 'b': {
        const Bytes big = message(id, 60000);
        std::ranges::copy(big, response.begin());
        return big.size();
      }
      case 't':
        rest = std::make_unique<NumberedSource>(id, count, 20000, false, &sources);
        return 0;
      case 'f':
        rest = std::make_unique<NumberedSource>(id, count, 20000, true, &sources);
        return 0;
      case 's':
        rest = std::make_unique<NumberedSource>(id, count, 12, false, &sources);
        return 0;
      default:
        std::ranges::copy(request, response.begin());
        return request.size();
    }
  }

  static inline std::atomic<int> sources{0};  // alive now
  static inline std::atomic<int> calls{0};
};

inline Bytes query(std::uint16_t id, char kind = 'e', std::uint16_t count = 0, std::size_t size = 32) {
  Bytes out = message(id, size);
  out[2] = static_cast<std::uint8_t>(kind);
  store_u16(&out[3], count);
  return out;
}

}  // namespace understudy
