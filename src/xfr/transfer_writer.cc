#include "xfr/transfer_writer.h"

#include <string>
#include <utility>

#include "base/log.h"

namespace understudy {
namespace {

// Names beyond the first 16 KiB of a message cannot be aimed at by compression pointers (RFC 1035 section 4.1.4), so
// longer messages carry the same zone in more octets. Only a record that needs more room gets more.
constexpr std::size_t usual_message_size = 16384;
constexpr std::size_t opt_size = 11;

}  // namespace

TransferWriter::TransferWriter(std::unique_ptr<RecordSource> records, TransferReply reply, const Clock& clock)
    : records_(std::move(records)), reply_(std::move(reply)), clock_(clock) {
  if (reply_.edns) opening_octets_ = opt_size + reply_.edns->options.size();
  if (!reply_.tsig) return;
  tsig_octets_ = tsig_size(*reply_.tsig);
  signer_.emplace(*reply_.tsig);
}

bool TransferWriter::has_record() {
  if (!has_record_) has_record_ = records_->next(record_);
  return has_record_;
}

/// Adds records until the message is full (message) or the transfer complete (done); failed if not one fits.
ResponseSource::Step TransferWriter::fill(MessageWriter& writer) {
  while (has_record()) {
    if (!writer.add_record(Section::answer, record_.owner, record_.type, RRClass::IN, record_.ttl, record_.rdata)) {
      return writer.count(Section::answer) == 0 ? Step::failed : Step::message;
    }
    has_record_ = false;
  }
  return Step::done;
}

/// RFC 5936 section 2.2: the question is repeated in the first message only, and so is OPT.
ResponseSource::Step TransferWriter::write(Bytes& out, std::size_t limit) {
  out.resize(limit);
  MessageWriter writer(out, limit, MessageWriter::Compression::keeps_case);
  const Header& asked = reply_.request;
  writer.set_header(asked.id, static_cast<std::uint16_t>(Header::qr | Header::aa | (asked.flags & Header::rd)));
  writer.reserve(tsig_octets_ + (first_ ? opening_octets_ : 0));
  const Question& question = reply_.question;
  if (first_ && !writer.add_question(question.name, question.type, question.klass)) return Step::failed;
  if (fill(writer) == Step::failed) return Step::failed;
  if (first_ && reply_.edns) {
    writer.reserve(tsig_octets_);
    writer.add_opt(reply_.edns->udp_size, Rcode::NOERROR, false, reply_.edns->options);
  }
  out.resize(writer.size());
  first_ = false;
  return Step::message;
}

ResponseSource::Step TransferWriter::give_up(const std::string& why) {
  log_error("zone {}: transfer out failed: {}", reply_.question.name.text(), why);
  failed_ = true;
  return Step::failed;
}

ResponseSource::Step TransferWriter::next(Bytes& out) {
  if (failed_) return Step::failed;
  if (!has_record()) return Step::done;
  Step step = write(out, usual_message_size);
  if (step == Step::failed) step = write(out, max_message_size);
  if (step == Step::failed) {
    return give_up(record_.owner.text() + " " + type_text(record_.type) + " does not fit into any message");
  }
  if (signer_) {
    if (const auto done = signer_->sign(out, static_cast<std::uint64_t>(clock_.wall_seconds())); !done) {
      return give_up(done.error().text());
    }
  }
  return Step::message;
}

}  // namespace understudy
