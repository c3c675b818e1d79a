#include "xfr/response_check.h"

#include <algorithm>
#include <string>

#include "dns/edns.h"

namespace understudy {
namespace {

constexpr std::size_t max_extra_text = 120;

/// ", extended error 18: text" if the peer sent one. The text comes from outside: only plain characters of it are
/// shown.
std::string extended_error_text(const MessageView& message) {
  if (!message.edns()) return {};
  const auto option = message.edns()->option(edns_extended_error);
  if (!option || option->size() < 2) return {};
  std::string text = ", extended error " + std::to_string(load_u16(option->data()));
  const ByteView extra = option->subspan(2, std::min(option->size() - 2, max_extra_text));
  if (!extra.empty()) text += ": ";
  for (const std::uint8_t c : extra) text += c >= ' ' && c < 0x7f ? static_cast<char>(c) : '?';
  return text;
}

}  // namespace

Result<void> check_response_header(const Header& header, std::uint16_t id, Opcode opcode) {
  if (header.id != id) {
    return fail(Errc::wrong_id, "expected " + std::to_string(id) + ", got " + std::to_string(header.id));
  }
  if (!header.is_response()) return fail(Errc::not_a_response);
  if (header.opcode() != opcode) return fail(Errc::wrong_opcode, opcode_text(header.opcode()));
  return {};
}

Result<void> check_question(const MessageView& message, NameView name, RRType type) {
  const auto& question = message.question();
  if (!question) return fail(Errc::wrong_question, "it has no question");
  if (question->type != type || question->klass != RRClass::IN || !question->name.view().equals(name)) {
    return fail(Errc::wrong_question, question->name.text() + " " + class_text(question->klass) + " " +
                                          type_text(question->type) + ", expected " + name.text() + " IN " +
                                          type_text(type));
  }
  return {};
}

Result<void> check_rcode(const MessageView& message) {
  if (message.rcode() == Rcode::NOERROR) return {};
  return fail(Errc::rcode, rcode_text(message.rcode()) + extended_error_text(message));
}

}  // namespace understudy
