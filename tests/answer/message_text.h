// A response as text for people, one line a fact, to compare with what a test expects:
//
//   NOERROR aa tc rd            response code and the flags that are set (qr always is; opcode if not QUERY)
//   question: www.example. IN A
//   answer: www.example. 3600 IN A 192.0.2.1
//   edns: size 1232 do          and ede 14 "text", option 65001 0a0b
//   tsig: key. NOERROR          and "unsigned"
//
// Records of a section are sorted, so that their order does not matter.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/encoding.h"
#include "dns/edns.h"
#include "dns/message.h"
#include "dns/record.h"
#include "dns/tsig.h"

namespace understudy::answer_fixture {

/// The response code 16 means something else in TSIG (RFC 8945 section 3).
inline std::string tsig_error_text(Rcode error) {
  return error == Rcode::BADSIG ? "BADSIG" : rcode_text(error);
}

inline std::string flags_text(const MessageView& message) {
  const std::uint16_t flags = message.header().flags;
  std::string out = message.edns() || message.header().rcode() < 16 ? rcode_text(message.rcode()) : "?";
  if (message.header().opcode() != Opcode::QUERY) out += " " + opcode_text(message.header().opcode());
  const std::pair<std::uint16_t, const char*> names[] = {{Header::aa, " aa"}, {Header::tc, " tc"}, {Header::rd, " rd"},
                                                         {Header::ra, " ra"}, {Header::z, " z"},   {Header::ad, " ad"},
                                                         {Header::cd, " cd"}};
  for (const auto& [bit, text] : names) {
    if ((flags & bit) != 0) out += text;
  }
  if (!message.header().is_response()) out += " query";
  return out;
}

inline std::string edns_text(const Edns& edns) {
  std::string out = fmt::format("edns: size {}", edns.udp_size);
  if (edns.version != 0) out += fmt::format(" version {}", edns.version);
  if (edns.dnssec_ok) out += " do";
  if ((edns.z_flags & 0x7fff) != 0) out += fmt::format(" flags {:04x}", edns.z_flags & 0x7fff);
  ByteReader reader(edns.options);
  while (!reader.at_end()) {
    const std::uint16_t code = reader.u16();
    const ByteView content = reader.bytes(reader.u16());
    if (code == edns_extended_error && content.size() >= 2) {
      out += fmt::format(" ede {} \"{}\"", load_u16(content.data()), text_of(content.subspan(2)));
    } else {
      out += fmt::format(" option {} {}", code, hex_encode(content));
    }
  }
  return out;
}

/// The lines of a message; one line that says why if it cannot be read.
inline std::vector<std::string> message_lines(ByteView bytes) {
  const auto message = MessageView::parse(bytes);
  if (!message) return {"unreadable: " + message.error().text()};
  std::vector<std::string> out{flags_text(*message)};
  if (const auto& q = message->question()) {
    out.push_back(fmt::format("question: {} {} {}", q->name.text(), class_text(q->klass), type_text(q->type)));
  }
  std::vector<std::string> sections[3];
  std::string tsig;
  message->for_each_record([&](const RecordView& record) {
    if (record.type == RRType::OPT) return true;
    if (record.type == RRType::TSIG) {
      const auto parsed = find_tsig(*message);
      tsig = parsed && *parsed
                 ? fmt::format("tsig: {} {}{}", (*parsed)->key_name.text(), tsig_error_text((*parsed)->error),
                               (*parsed)->mac.empty() ? " unsigned" : "")
                 : "tsig: broken";
      return true;
    }
    const char* const names[] = {"answer", "authority", "additional"};
    const auto section = static_cast<std::size_t>(record.section);
    const auto rdata = record.rdata();
    EXPECT_TRUE(rdata) << "RDATA of " << record.owner().text() << " " << type_text(record.type);
    const Record whole{record.owner(), record.type, record.klass, record.ttl, rdata.value_or(Bytes())};
    sections[section].push_back(fmt::format("{}: {}", names[section], whole.text()));
    return true;
  });
  for (auto& section : sections) {
    std::sort(section.begin(), section.end());
    out.insert(out.end(), section.begin(), section.end());
  }
  if (message->edns()) out.push_back(edns_text(*message->edns()));
  if (!tsig.empty()) out.push_back(tsig);
  return out;
}

inline std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace understudy::answer_fixture
