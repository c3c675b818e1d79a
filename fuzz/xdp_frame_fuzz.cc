// Frames from the wire. What is taken for a query lies inside the frame; its answer, of a size that the first octet
// chooses, is a frame that is itself taken for one, with addresses and ports turned round, and asking back with it
// gives the first sender again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "net/xdp_frame.h"

using namespace understudy;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const ClientAddress& a, const ClientAddress& b) {
  return std::memcmp(&a, &b, a.generic.sa_family == AF_INET6 ? sizeof a.v6 : sizeof a.v4) == 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t payload_size = data[0] * 6U;
  const Bytes frame(data + 1, data + size);
  UdpFrame query;
  if (read_udp_frame(frame, query) != FrameVerdict::query) return 0;
  require(query.payload_at <= UdpFrame::longest_headers && query.payload_at + query.payload_size <= frame.size());

  Bytes answer(std::max(query.payload_at + payload_size, UdpFrame::shortest_frame), 0xa5);
  for (std::size_t i = 0; i < payload_size; ++i) answer[query.payload_at + i] = static_cast<std::uint8_t>(i * 7);
  const std::size_t answer_size = write_answer_headers(frame, query, 0x1234, answer.data(), payload_size);
  require(answer_size == answer.size());

  UdpFrame back;
  const FrameVerdict verdict = read_udp_frame(answer, back);
  // The query's destination is not looked at: an answer can be from where no query may come.
  if (verdict == FrameVerdict::forged) return 0;
  require(verdict == FrameVerdict::query && back.is_v6 == query.is_v6 && back.payload_at == query.payload_at &&
          back.payload_size == payload_size);
  Bytes third(answer.size());
  std::memcpy(&third[back.payload_at], &answer[back.payload_at], payload_size);
  write_answer_headers(answer, back, 0x1234, third.data(), payload_size);
  UdpFrame last;
  require(read_udp_frame(third, last) == FrameVerdict::query);
  ClientAddress first_sender, third_sender;
  read_client(frame, query, 7, first_sender);
  read_client(third, last, 7, third_sender);
  require(same(first_sender, third_sender) && std::memcmp(frame.data(), third.data(), query.ip_at) == 0);
  return 0;
}
