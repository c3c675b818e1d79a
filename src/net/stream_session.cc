#include "net/stream_session.h"

#include <algorithm>
#include <utility>

namespace understudy {
namespace {

constexpr std::size_t prefix_size = 2;
constexpr std::size_t message_limit = 65535;
constexpr std::size_t header_size = 12;
constexpr std::size_t frame_limit = StreamScratch::frame_limit;
// Sources add no more in one turn once so much is assembled, and no query is answered once so much waits.
constexpr std::size_t turn_octets = 65536;
// No more is read at once: what cannot be answered in one turn is copied.
constexpr std::size_t read_octets = 16384;
// No query is answered in a turn that has given so much.
constexpr std::size_t turn_answers = 262'144;
// A source that gives tiny messages must not keep the worker from its other connections.
constexpr int turn_messages = 64;

/// The size of the frame at the start of `input`, if it is whole.
std::optional<std::size_t> whole_frame(ByteView input) {
  if (input.size() < prefix_size) return std::nullopt;
  const std::size_t size = prefix_size + load_u16(input.data());
  if (input.size() < size) return std::nullopt;
  return size;
}

}  // namespace

bool StreamSession::has_whole_query() const {
  return whole_frame(kept_).has_value();
}

bool StreamSession::may_answer(const Assembly& assembly) const {
  const std::size_t waiting = waiting_.size() - waiting_at_;
  return queued_ + assembly.messages < limits_.max_queued && sources_.size() < limits_.max_sources &&
         assembly.size + frame_limit <= 2 * frame_limit && (waiting == 0 || waiting + assembly.size < turn_octets);
}

bool StreamSession::turn_is_over(const Context& context) const {
  return context.queries >= limits_.max_per_turn || context.octets >= turn_answers;
}

bool StreamSession::wants_input() const {
  return !broken_ && !at_end_ && may_answer({}) && !has_whole_query();
}

MutableBytes StreamSession::input_room(StreamScratch& scratch) const {
  const MutableBytes room = MutableBytes(scratch.input).subspan(kept_.size());
  return room.first(std::min(room.size(), read_octets));
}

void StreamSession::received(Context& context, std::size_t count) {
  const MutableBytes input = MutableBytes(context.scratch.input).first(kept_.size() + count);
  if (!kept_.empty()) {
    // The start of a query that still is not whole is not copied forth and back for each of its pieces.
    std::copy_n(kept_.begin(), std::min(kept_.size(), prefix_size), input.begin());
    if (!whole_frame(input)) {
      append(kept_, input.subspan(kept_.size()));
      return;
    }
    std::ranges::copy(kept_, input.begin());
  }
  keep(input.subspan(answer_queries(context, input)));
}

void StreamSession::keep(ByteView input) {
  // A fresh vector gives back the memory of one that is much too large.
  if (broken_ || input.empty() || kept_.capacity() > 2 * input.size() + 512) kept_ = {};
  if (!broken_) kept_.assign(input.begin(), input.end());
}

std::size_t StreamSession::answer_queries(Context& context, ByteView input) {
  Assembly assembly;
  std::size_t position = 0;
  while (!broken_ && !turn_is_over(context)) {
    if (!may_answer(assembly)) {
      flush(context, assembly);
      if (broken_ || !may_answer(assembly)) break;
    }
    const auto frame = whole_frame(input.subspan(position));
    if (!frame) break;
    answer_query(context, assembly, input.subspan(position + prefix_size, *frame - prefix_size));
    position += *frame;
  }
  flush(context, assembly);
  return position;
}

void StreamSession::answer_query(Context& context, Assembly& assembly, ByteView query) {
  ++context.queries;
  // Less than a header cannot be answered, not even with an error: the peer does not speak DNS, or lost its place.
  if (query.size() < header_size) {
    flush(context, assembly);
    broken_ = true;
    return;
  }
  std::uint8_t* at = &context.scratch.output[assembly.size];
  std::unique_ptr<ResponseSource> rest;
  const MutableBytes room(at + prefix_size, context.scratch.output.size() - assembly.size - prefix_size);
  const std::size_t size = context.handler.answer(query, context.peer, room, rest);
  if (size > message_limit) {
    broken_ = true;
    return;
  }
  if (size != 0) {
    store_u16(at, static_cast<std::uint16_t>(size));
    assembly.size += prefix_size + size;
    ++assembly.messages;
    ++context.answers;
    context.octets += size;
  }
  if (rest) sources_.push_back(std::move(rest));
}

void StreamSession::flush(Context& context, Assembly& assembly) {
  ByteView octets = ByteView(context.scratch.output).first(assembly.size);
  const std::size_t messages = std::exchange(assembly, {}).messages;
  if (octets.empty() || broken_) return;
  if (waiting_.empty()) {
    const auto taken = context.sink.write(octets);
    if (!taken) {
      broken_ = true;
      return;
    }
    octets = octets.subspan(*taken);
    if (octets.empty()) return;
  }
  append(waiting_, octets);
  queued_ += messages;
}

bool StreamSession::writable(Context& context) {
  if (!waiting_.empty()) {
    const auto taken = context.sink.write(ByteView(waiting_).subspan(waiting_at_));
    if (!taken) {
      broken_ = true;
      return false;
    }
    waiting_at_ += *taken;
    if (waiting_at_ != waiting_.size()) return false;
    waiting_ = {};  // gives the memory back
    waiting_at_ = 0;
    queued_ = 0;
  }
  // Held up queries go before the long responses, so that those cannot starve them; and behind, for the end of a long
  // response may be what they waited for.
  answer_kept(context);
  if (!broken_ && waiting_.empty()) add_from_sources(context);
  if (!broken_) answer_kept(context);
  return true;
}

void StreamSession::answer_kept(Context& context) {
  if (has_whole_query() && may_answer({})) received(context, 0);
}

void StreamSession::add_from_sources(Context& context) {
  Assembly assembly;
  Bytes& message = context.scratch.message;
  for (int i = 0; i < turn_messages && !sources_.empty() && assembly.size < turn_octets; ++i) {
    std::unique_ptr<ResponseSource> source = std::move(sources_.front());
    sources_.pop_front();
    message.clear();
    const ResponseSource::Step step = source->next(message);
    if (step == ResponseSource::Step::done) continue;
    if (step == ResponseSource::Step::failed || message.size() > message_limit) {
      broken_ = true;  // what was assembled is not sent: the response cannot be completed
      return;
    }
    if (!message.empty()) {
      std::uint8_t* at = &context.scratch.output[assembly.size];
      store_u16(at, static_cast<std::uint16_t>(message.size()));
      std::ranges::copy(message, at + prefix_size);
      assembly.size += prefix_size + message.size();
      ++assembly.messages;
      ++context.answers;
    }
    sources_.push_back(std::move(source));
  }
  flush(context, assembly);
}

}  // namespace understudy
