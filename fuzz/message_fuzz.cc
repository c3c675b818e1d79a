// Messages: what parses is written again with compression and must read back as the same records.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "dns/message.h"
#include "dns/rdata.h"
#include "dns/record.h"

using understudy::Bytes;
using understudy::ByteView;
using understudy::MessageView;
using understudy::MessageWriter;
using understudy::Record;
using understudy::RecordView;
using understudy::Section;

namespace {

struct Placed {
  Section section;
  Record record;
};

void require(bool condition) {
  if (!condition) std::abort();
}

std::vector<Placed> readable_records(const MessageView& message) {
  std::vector<Placed> out;
  std::uint32_t seen = 0;
  message.for_each_record([&](const RecordView& view) {
    ++seen;
    require(view.raw_rdata().size() == view.rdata_size);
    if (auto rdata = view.rdata()) {
      require(understudy::check_rdata(view.type, *rdata).has_value());
      out.push_back({view.section, {view.owner(), view.type, view.klass, view.ttl, *std::move(rdata)}});
    }
    return true;
  });
  require(seen == message.record_count());
  return out;
}

/// Compression may give a name the case of an earlier one.
bool same(const Placed& a, const Placed& b) {
  Bytes x, y;
  understudy::append_canonical_rdata(a.record.type, a.record.rdata, x);
  understudy::append_canonical_rdata(b.record.type, b.record.rdata, y);
  return a.section == b.section && a.record.owner == b.record.owner && a.record.type == b.record.type &&
         a.record.klass == b.record.klass && a.record.ttl == b.record.ttl && x == y;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = MessageView::parse(ByteView{data, size});
  if (!message) return 0;
  const std::vector<Placed> records = readable_records(*message);

  // Expansion can outgrow a message; what no longer fits is left out. A small limit comes from the message id.
  Bytes buffer(understudy::max_message_size);
  const std::size_t limit = message->header().id % 4 == 0 ? 512 : buffer.size();
  MessageWriter writer(buffer, limit);
  writer.set_header(message->header().id, message->header().flags);
  if (const auto& question = message->question()) {
    require(writer.add_question(question->name, question->type, question->klass));
  }
  std::size_t written = 0;
  for (const auto& [section, record] : records) {
    const std::size_t before = writer.size();
    if (!writer.add_record(section, record.owner, record.type, record.klass, record.ttl, record.rdata)) {
      require(writer.size() == before);
      break;
    }
    ++written;
  }
  require(writer.size() <= limit);

  const auto again = MessageView::parse(writer.message());
  require(again.has_value());
  require(again->question().has_value() == message->question().has_value());
  if (message->question()) require(again->question()->name == message->question()->name);
  const std::vector<Placed> reread = readable_records(*again);
  require(reread.size() == written);
  for (std::size_t i = 0; i < written; ++i) require(same(reread[i], records[i]));
  return 0;
}
