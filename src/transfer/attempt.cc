#include "transfer/attempt.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <iterator>

#include "base/log.h"

namespace understudy {
namespace {

/// "zone example.: AXFR from hidden1 (192.0.2.1@53 over TCP, key transfer.example.)"
std::string subject(const Attempt& attempt) {
  const PeerSettings& peer = attempt.peer;
  const std::string address = peer.address.text();
  const std::string who = peer.name == address ? address : fmt::format("{} {}", peer.name, address);
  const std::string key = peer.key ? "key " + peer.key->name.text() : "unsigned";
  return fmt::format(FMT_COMPILE("zone {}: {} {} {} ({}, {})"), attempt.zone.text(), attempt.asked,
                     attempt.asked == "SOA" ? "at" : "from", who, attempt.transport, key);
}

std::string serial_text(const std::optional<Serial>& serial) {
  return serial ? std::to_string(serial->value) : "none";
}

/// What came and which serials were in play; empty fields are left out.
std::string facts(const Attempt& attempt) {
  fmt::memory_buffer out;
  const auto end = std::back_inserter(out);
  fmt::format_to(end, FMT_COMPILE("ours {}"), serial_text(attempt.ours));
  if (attempt.announced) fmt::format_to(end, FMT_COMPILE(", announced {}"), attempt.announced->value);
  if (attempt.asked != "SOA") {
    if (attempt.received) fmt::format_to(end, FMT_COMPILE(", received {}"), attempt.received->value);
    fmt::format_to(end, FMT_COMPILE(", {} records in {} messages, {} octets"), attempt.counts.records,
                   attempt.counts.messages, attempt.counts.octets);
  }
  fmt::format_to(end, FMT_COMPILE(", {:.3f} s"), attempt.seconds);
  return fmt::to_string(out);
}

}  // namespace

void log_transferred(const Attempt& attempt) {
  if (log_enabled(LogLevel::info)) {
    log_info("{}: serial {} -> {}; {}", subject(attempt), serial_text(attempt.ours), serial_text(attempt.received),
             facts(attempt));
  }
}

void log_current(const Attempt& attempt) {
  if (log_enabled(LogLevel::debug)) {
    log_debug("{}: serial {} is current; {}", subject(attempt), serial_text(attempt.announced), facts(attempt));
  }
}

void log_behind(const Attempt& attempt, bool first_time) {
  const LogLevel level = first_time ? LogLevel::warning : LogLevel::debug;
  if (!log_enabled(level)) return;
  log_at(level,
         "{}: primary behind: it has serial {}, we have {}; it is not followed: raise its serial, or use "
         "`understudy zone retransfer {}` to go back; {}",
         subject(attempt), serial_text(attempt.announced), serial_text(attempt.ours), attempt.zone.text(),
         facts(attempt));
}

void log_failed(const Attempt& attempt, const Error& error) {
  const std::string_view advice = advice_text(error.code);
  log_warning("{} failed: {}; {}{}{}", subject(attempt), error.text(), facts(attempt), advice.empty() ? "" : "; ",
              advice);
}

void log_no_differences(const Attempt& attempt, const Error& error) {
  log_info("{} failed: {}; {}; the whole zone is asked for instead", subject(attempt), error.text(), facts(attempt));
}

void log_given_up(const Attempt& attempt, std::string_view why) {
  log_info("{} given up: {}; {}", subject(attempt), why, facts(attempt));
}

void log_not_asked(const Attempt& attempt, std::string_view why) {
  const LogLevel level = attempt.announced ? LogLevel::info : LogLevel::debug;
  if (!log_enabled(level)) return;
  log_at(level, "{}: not asked for the zone: {}; it is checked again; {}", subject(attempt), why, facts(attempt));
}

std::string oddities_text(const TransferCounts& counts, const ZoneBuilder::Report& report) {
  std::string out;
  const auto dropped = [&out](std::uint64_t count, std::string_view what) {
    if (count != 0) out += fmt::format("{}{} {}", out.empty() ? "dropped " : ", ", count, what);
  };
  dropped(counts.out_of_zone, "outside the zone");
  dropped(counts.wrong_class, "of another class than IN");
  dropped(counts.duplicates, "duplicates");
  if (report.oddity_count != 0) {
    out += fmt::format("{}kept as received: {}", out.empty() ? "" : "; ", fmt::join(report.oddities, ", "));
    if (report.oddity_count > report.oddities.size()) {
      out += fmt::format(" and {} more", report.oddity_count - report.oddities.size());
    }
  }
  return out;
}

void log_oddities(const Attempt& attempt, const ZoneBuilder::Report& report) {
  const std::string text = oddities_text(attempt.counts, report);
  if (text.empty()) return;
  log_warning("zone {}: records of serial {} from {} worth a look: {}", attempt.zone.text(),
              serial_text(attempt.received), attempt.peer.name, text);
}

void log_iterations(const Zone* before, const Zone& now, std::uint16_t most) {
  const auto over = [most](const Zone& zone) {
    return zone.denial() == Zone::Denial::nsec3 && zone.nsec3_params().iterations > most;
  };
  if (!over(now) || (before != nullptr && over(*before))) return;
  log_warning(
      "zone {}: serial {} has {} NSEC3 iterations, more than server.nsec3-max-iterations, {}: who asks with DNSSEC "
      "gets "
      "SERVFAIL for what does not exist, for wildcards and for delegations without DS; sign it with 0 iterations (RFC "
      "9276), or raise the setting",
      now.apex().text(), now.serial().value, now.nsec3_params().iterations, most);
}

TransferRecord record_of(const Attempt& attempt, std::int64_t when_ms, const Error* error) {
  TransferRecord record;
  record.when_ms = when_ms;
  record.zone = attempt.zone;
  record.primary = attempt.peer.name;
  record.address = attempt.peer.address.text();
  record.transport = attempt.transport;
  if (attempt.peer.key) record.key = attempt.peer.key->name.text();
  record.asked = attempt.asked;
  record.came = attempt.came;
  record.ours = attempt.ours;
  record.announced = attempt.announced;
  record.received = attempt.received;
  record.messages = attempt.counts.messages;
  record.records = attempt.counts.records;
  record.octets = attempt.counts.octets;
  record.seconds = attempt.seconds;
  record.ok = error == nullptr;
  record.result = error == nullptr ? "ok" : errc_text(error->code);
  if (error != nullptr) {
    const std::string_view advice = advice_text(error->code);
    record.reason = fmt::format("{}{}{}", error->text(), advice.empty() ? "" : "; ", advice);
    record.exchange = attempt.trace.lines();
  }
  return record;
}

std::string_view advice_text(Errc code) {
  switch (code) {
    case Errc::truncated:
    case Errc::bad_label:
    case Errc::name_too_long:
    case Errc::bad_pointer:
    case Errc::bad_rdata:
    case Errc::trailing_data:
    case Errc::bad_header:
    case Errc::bad_edns:
    case Errc::empty_message:
    case Errc::wrong_id:
    case Errc::not_a_response:
    case Errc::wrong_opcode:
    case Errc::wrong_question:
    case Errc::wrong_class:
    case Errc::bad_transfer_start:
    case Errc::bad_transfer_end:
    case Errc::extra_records:
    case Errc::bad_delta:
      return "the primary, or something between, sends what is no valid transfer: check it";
    case Errc::rcode:
    case Errc::edns_refused:
      return "check that the primary serves the zone and allows us to transfer it";
    case Errc::not_authoritative:
      return "check that the primary is configured for the zone and has loaded it";
    case Errc::no_apex_soa:
    case Errc::no_apex_ns:
    case Errc::bad_catalog:
      return "repair the zone at its primary";
    case Errc::record_limit:
      return "if it has more records than max-records, raise that; the size of a name's data and of a zone and the "
             "machine's memory are limits of their own";
    case Errc::byte_limit:
      return "raise max-size if the zone is meant to be so large";
    case Errc::serial_backwards:
      return "the primary went back to an older version: raise its serial";
    case Errc::connect_failed:
    case Errc::timed_out:
      return "check that the primary runs and that address, port and firewall are right";
    case Errc::connection_closed:
      return "check the primary's log and its limits for transfers";
    case Errc::stalled:
      return "check the primary's load and the network; stall-timeout is how long we wait";
    case Errc::too_slow:
      return "check the network; min-rate is the slowest and max-time the longest that we accept";
    case Errc::bad_tsig:
    case Errc::tsig_missing:
    case Errc::tsig_bad_key:
    case Errc::tsig_bad_signature:
    case Errc::tsig_bad_truncation:
    case Errc::tsig_peer_error:
      return "compare name, algorithm and secret of the key on both sides";
    case Errc::tsig_bad_time:
      return "compare the clocks of both sides";
    case Errc::io:
      return "see the system's words; check this server's limits of open files and of memory";
    case Errc::cancelled:
      return "nothing is to be done: this server ended it for a reload, a removal or its own stop";
    case Errc::storage_full:
      return "make room on the disk; the version before stays and the zone is tried again";
    case Errc::storage:
    case Errc::corrupt:
      return "check the disk and the storage directory";
    default:
      return {};
  }
}

}  // namespace understudy
