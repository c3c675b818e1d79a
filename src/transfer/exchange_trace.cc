#include "transfer/exchange_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "dns/message.h"

namespace understudy {

void ExchangeTrace::note(bool sent, ByteView message, double when, std::string_view over) {
  Note made{.when = static_cast<float>(when),
            .sent = sent,
            .udp = over == "UDP",
            .size = static_cast<std::uint32_t>(message.size())};
  if (!message.empty()) std::memcpy(made.header.data(), message.data(), std::min<std::size_t>(message.size(), 12));
  if (count_ < most_first) {
    first_.push_back(made);
  } else if (last_.size() < most_last) {
    last_.push_back(made);
  } else {
    last_[(count_ - most_first) % most_last] = made;
  }
  ++count_;
}

std::string ExchangeTrace::text(const Note& note) {
  const std::string begin =
      fmt::format("+{:.3f} s {} {}", note.when, note.sent ? "->" : "<-", note.udp ? "UDP" : "TCP");
  const auto header = Header::read(note.header);
  if (note.size < header_size || !header) return fmt::format("{} {} octets, not a DNS message", begin, note.size);
  std::string flags;
  const auto flag = [&](std::uint16_t bit, std::string_view name) {
    if ((header->flags & bit) != 0) flags += fmt::format(" {}", name);
  };
  flag(Header::qr, "QR");
  flag(Header::aa, "AA");
  flag(Header::tc, "TC");
  return fmt::format("{} id {} {} {}{}, {} question, {} answer, {} authority, {} additional, {} octets", begin,
                     header->id, header->opcode() == Opcode::QUERY ? "QUERY" : "another operation",
                     rcode_text(static_cast<Rcode>(header->flags & 15)), flags, header->qdcount, header->ancount,
                     header->nscount, header->arcount, note.size);
}

std::vector<std::string> ExchangeTrace::lines() const {
  std::vector<std::string> out;
  for (const Note& note : first_) out.push_back(text(note));
  const std::uint64_t left_out = count_ - first_.size() - last_.size();
  if (left_out != 0) out.push_back(fmt::format("({} messages left out)", left_out));
  const std::size_t begin = last_.size() < most_last ? 0 : (count_ - most_first) % most_last;
  for (std::size_t i = 0; i < last_.size(); ++i) out.push_back(text(last_[(begin + i) % last_.size()]));
  return out;
}

}  // namespace understudy
