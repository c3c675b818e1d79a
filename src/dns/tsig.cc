#include "dns/tsig.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <algorithm>
#include <utility>

namespace understudy {
namespace {

constexpr std::size_t max_digest_size = 64;
constexpr std::size_t min_mac_size = 10;               // RFC 8945 section 5.2.2.1
constexpr unsigned max_unsigned_run = 99;              // RFC 8945 section 5.3.1
constexpr std::uint64_t time_mask = 0xffff'ffff'ffff;  // Time Signed has 48 bits

struct AlgorithmEntry {
  TsigAlgorithm algorithm;
  std::string_view text;
  std::string_view wire;
  gnutls_mac_algorithm_t mac;
  std::size_t digest_size;
};

using namespace std::string_view_literals;

// RFC 8945 section 6, table 3. The order is that of TsigAlgorithm.
constexpr AlgorithmEntry algorithms[] = {
    {TsigAlgorithm::hmac_md5, "hmac-md5"sv, "\x08hmac-md5\7sig-alg\3reg\3int\0"sv, GNUTLS_MAC_MD5, 16},
    {TsigAlgorithm::hmac_sha1, "hmac-sha1"sv, "\x09hmac-sha1\0"sv, GNUTLS_MAC_SHA1, 20},
    {TsigAlgorithm::hmac_sha224, "hmac-sha224"sv, "\x0bhmac-sha224\0"sv, GNUTLS_MAC_SHA224, 28},
    {TsigAlgorithm::hmac_sha256, "hmac-sha256"sv, "\x0bhmac-sha256\0"sv, GNUTLS_MAC_SHA256, 32},
    {TsigAlgorithm::hmac_sha384, "hmac-sha384"sv, "\x0bhmac-sha384\0"sv, GNUTLS_MAC_SHA384, 48},
    {TsigAlgorithm::hmac_sha512, "hmac-sha512"sv, "\x0bhmac-sha512\0"sv, GNUTLS_MAC_SHA512, 64},
};

const AlgorithmEntry& entry(TsigAlgorithm algorithm) {
  return algorithms[static_cast<std::size_t>(algorithm)];
}

struct Mac {
  std::array<std::uint8_t, max_digest_size> octets{};
  std::size_t size = 0;

  [[nodiscard]] ByteView view() const { return {octets.data(), size}; }
};

/// One running HMAC.
class Hmac {
 public:
  Hmac() = default;
  ~Hmac() { reset(); }
  Hmac(Hmac&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), size_(other.size_), failed_(other.failed_) {}
  Hmac& operator=(Hmac&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(size_, other.size_);
    std::swap(failed_, other.failed_);
    return *this;
  }

  static Result<Hmac> start(const TsigKey& key) {
    const AlgorithmEntry& algorithm = entry(key.algorithm);
    Hmac hmac;
    const int rc = gnutls_hmac_init(&hmac.handle_, algorithm.mac, key.secret.data(), key.secret.size());
    if (rc != GNUTLS_E_SUCCESS) {
      hmac.handle_ = nullptr;
      return fail(Errc::unsupported, std::string(algorithm.text) + ": " + gnutls_strerror(rc));
    }
    hmac.size_ = algorithm.digest_size;
    return hmac;
  }

  void add(ByteView octets) {
    if (!octets.empty()) failed_ |= gnutls_hmac(handle_, octets.data(), octets.size()) != GNUTLS_E_SUCCESS;
  }
  void add_u16(std::uint16_t v) {
    std::uint8_t octets[2];
    store_u16(octets, v);
    add(octets);
  }
  void add_u48(std::uint64_t v) {
    std::uint8_t octets[6];
    store_u48(octets, v);
    add(octets);
  }
  /// A MAC sent before: its size and octets, exactly as transmitted (RFC 8945 section 4.3.1).
  void add_mac(ByteView mac) {
    add_u16(static_cast<std::uint16_t>(mac.size()));
    add(mac);
  }
  Result<Mac> finish() {
    if (failed_) return fail(Errc::internal, "the HMAC function failed");
    Mac mac;
    mac.size = size_;
    gnutls_hmac_deinit(handle_, mac.octets.data());
    handle_ = nullptr;
    return mac;
  }

 private:
  void reset() {
    if (handle_ != nullptr) gnutls_hmac_deinit(handle_, nullptr);
    handle_ = nullptr;
  }

  gnutls_hmac_hd_t handle_ = nullptr;
  std::size_t size_ = 0;
  bool failed_ = false;
};

/// The fields of a TSIG record that we write. `other` has 0 or 6 octets.
struct Outgoing {
  NameView key_name, algorithm;
  std::uint64_t time = 0;
  std::uint16_t fudge = tsig_default_fudge;
  std::uint16_t original_id = 0;
  Rcode error = Rcode::NOERROR;
  ByteView other;
};

/// RFC 8945 section 4.3.3.
void add_variables(Hmac& hmac, NameView key_name, NameView algorithm, std::uint64_t time, std::uint16_t fudge,
                   Rcode error, ByteView other) {
  hmac.add(Name(key_name).lowered().wire());
  hmac.add_u16(number(RRClass::ANY));
  constexpr std::uint8_t ttl[4] = {0, 0, 0, 0};
  hmac.add(ttl);
  hmac.add(Name(algorithm).lowered().wire());
  hmac.add_u48(time);
  hmac.add_u16(fudge);
  hmac.add_u16(number(error));
  hmac.add_u16(static_cast<std::uint16_t>(other.size()));
  hmac.add(other);
}

/// RFC 8945 section 4.3.3.1.
void add_timers(Hmac& hmac, std::uint64_t time, std::uint16_t fudge) {
  hmac.add_u48(time);
  hmac.add_u16(fudge);
}

/// A message as it was before its TSIG record was added (RFC 8945 section 4.3.2).
void add_message(Hmac& hmac, ByteView message, std::uint16_t arcount, std::uint16_t original_id) {
  std::array<std::uint8_t, header_size> header;
  std::copy_n(message.begin(), header_size, header.begin());
  store_u16(&header[0], original_id);
  store_u16(&header[10], arcount);
  hmac.add(header);
  hmac.add(message.subspan(header_size));
}

/// Appends the record itself; the algorithm's name is never compressed, and neither is the key's.
Result<void> append_tsig(Bytes& message, const Outgoing& tsig, ByteView mac) {
  const std::size_t rdata_size = tsig.algorithm.size() + 16 + mac.size() + tsig.other.size();
  const std::uint16_t arcount = load_u16(&message[10]);
  if (message.size() + tsig.key_name.size() + 10 + rdata_size > max_message_size || arcount == 0xffff) {
    return fail(Errc::no_space, "no room for a TSIG record");
  }
  append(message, tsig.key_name.wire());
  append_u16(message, number(RRType::TSIG));
  append_u16(message, number(RRClass::ANY));
  append_u32(message, 0);
  append_u16(message, static_cast<std::uint16_t>(rdata_size));
  append(message, tsig.algorithm.wire());
  append_u48(message, tsig.time);
  append_u16(message, tsig.fudge);
  append_u16(message, static_cast<std::uint16_t>(mac.size()));
  append(message, mac);
  append_u16(message, tsig.original_id);
  append_u16(message, number(tsig.error));
  append_u16(message, static_cast<std::uint16_t>(tsig.other.size()));
  append(message, tsig.other);
  store_u16(&message[10], static_cast<std::uint16_t>(arcount + 1));
  return {};
}

/// Signs `message` and appends the record. `request_mac`: null for a request.
Result<Mac> sign_and_append(Bytes& message, const TsigKey& key, const ByteView* request_mac, const Outgoing& tsig) {
  if (message.size() < header_size) return fail(Errc::internal, "a message without header cannot be signed");
  US_ASSIGN(Hmac hmac, Hmac::start(key));
  if (request_mac != nullptr) hmac.add_mac(*request_mac);
  add_message(hmac, message, load_u16(&message[10]), tsig.original_id);
  add_variables(hmac, tsig.key_name, tsig.algorithm, tsig.time, tsig.fudge, tsig.error, tsig.other);
  US_ASSIGN(const Mac mac, hmac.finish());
  US_TRY(append_tsig(message, tsig, mac.view()));
  return mac;
}

enum class MacLength : std::uint8_t { allowed, too_long, too_short };

/// RFC 8945 section 5.2.2.1.
MacLength mac_length(TsigAlgorithm algorithm, std::size_t size) {
  const std::size_t digest = tsig_digest_size(algorithm);
  if (size > digest) return MacLength::too_long;
  return size < std::max(min_mac_size, (digest + 1) / 2) ? MacLength::too_short : MacLength::allowed;
}

/// Compares as much of our MAC as was sent, in time that does not depend on the octets.
bool mac_matches(const Mac& ours, ByteView theirs) {
  return theirs.size() <= ours.size && gnutls_memcmp(ours.octets.data(), theirs.data(), theirs.size()) == 0;
}

bool time_allowed(std::uint64_t signed_at, std::uint16_t fudge, std::uint64_t now) {
  return (now > signed_at ? now - signed_at : signed_at - now) <= fudge;
}

/// The message without its TSIG record.
ByteView without_tsig(const MessageView& message) {
  return message.bytes().first(*message.tsig_offset());
}

std::string tsig_error_text(Rcode error) {
  // The number 16 is BADVERS in a header, BADSIG here.
  return error == Rcode::BADSIG ? "BADSIG" : rcode_text(error);
}

}  // namespace

std::optional<TsigAlgorithm> tsig_algorithm_from_text(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(ascii_lower(static_cast<std::uint8_t>(c)));
  if (lower.ends_with('.')) lower.pop_back();
  if (lower == "hmac-md5.sig-alg.reg.int") return TsigAlgorithm::hmac_md5;
  for (const AlgorithmEntry& e : algorithms) {
    if (e.text == lower) return e.algorithm;
  }
  return std::nullopt;
}

std::string_view tsig_algorithm_text(TsigAlgorithm algorithm) {
  return entry(algorithm).text;
}

NameView tsig_algorithm_name(TsigAlgorithm algorithm) {
  return NameView::trusted(view_of(entry(algorithm).wire));
}

std::size_t tsig_digest_size(TsigAlgorithm algorithm) {
  return entry(algorithm).digest_size;
}

std::shared_ptr<const TsigKey> TsigKeyring::find(NameView name) const {
  const auto found = keys_.find(Name(name));
  return found == keys_.end() ? nullptr : found->second;
}

Result<std::optional<TsigRecord>> find_tsig(const MessageView& message) {
  if (!message.tsig_offset()) return std::nullopt;
  ByteReader reader(message.bytes(), *message.tsig_offset());
  TsigRecord record;
  US_ASSIGN(record.key_name, Name::read_compressed(reader));
  const std::uint16_t type = reader.u16();
  const std::uint16_t klass = reader.u16();
  const std::uint32_t ttl = reader.u32();
  if (type != number(RRType::TSIG) || klass != number(RRClass::ANY))
    return fail(Errc::bad_tsig, "its class is not ANY");
  if (ttl != 0) return fail(Errc::bad_tsig, "its TTL is not 0");
  ByteReader rdata(reader.bytes(reader.u16()));
  const auto algorithm = NameView::read(rdata);
  if (!reader.ok() || !algorithm) return fail(Errc::bad_tsig, "its algorithm name is malformed");
  record.algorithm = *algorithm;
  record.time_signed = rdata.u48();
  record.fudge = rdata.u16();
  record.mac = rdata.bytes(rdata.u16());
  record.original_id = rdata.u16();
  record.error = static_cast<Rcode>(rdata.u16());
  record.other = rdata.bytes(rdata.u16());
  if (!rdata.ok() || !rdata.at_end()) return fail(Errc::bad_tsig, "its lengths contradict each other");
  return record;
}

namespace {

/// MAC, time and truncation checks of a request whose key is known; the outcome goes into the session.
Result<void> check_request(const MessageView& message, const TsigRecord& tsig, std::uint64_t now,
                           TsigSession& session) {
  switch (mac_length(session.key->algorithm, tsig.mac.size())) {
    case MacLength::allowed:
      break;
    case MacLength::too_long:
      return fail(Errc::bad_tsig, "its MAC is longer than the algorithm makes it");
    case MacLength::too_short:
      return fail(Errc::bad_tsig, "its MAC is shorter than RFC 8945 allows");
  }
  US_ASSIGN(Hmac hmac, Hmac::start(*session.key));
  add_message(hmac, without_tsig(message), static_cast<std::uint16_t>(message.header().arcount - 1), tsig.original_id);
  add_variables(hmac, tsig.key_name, tsig.algorithm, tsig.time_signed, tsig.fudge, tsig.error, tsig.other);
  US_ASSIGN(const Mac mac, hmac.finish());
  if (!mac_matches(mac, tsig.mac)) {
    session.error = Rcode::BADSIG;
  } else if (!time_allowed(tsig.time_signed, tsig.fudge, now)) {
    session.error = Rcode::BADTIME;
  }
  return {};
}

}  // namespace

Result<std::optional<TsigSession>> verify_request(const MessageView& message, const TsigKeyring& keys,
                                                  std::uint64_t now) {
  US_ASSIGN(const std::optional<TsigRecord> tsig, find_tsig(message));
  if (!tsig) return std::nullopt;
  if (tsig->error != Rcode::NOERROR) return fail(Errc::bad_tsig, "a request with an error in its TSIG record");
  TsigSession session;
  session.key_name = tsig->key_name;
  session.algorithm_name = tsig->algorithm;
  session.request_mac.assign(tsig->mac.begin(), tsig->mac.end());
  session.request_time = tsig->time_signed;
  session.request_fudge = tsig->fudge;
  session.original_id = tsig->original_id;
  session.key = keys.find(tsig->key_name);
  if (session.key == nullptr || !tsig_algorithm_name(session.key->algorithm).equals(tsig->algorithm)) {
    session.key = nullptr;
    session.error = Rcode::BADKEY;
    return session;
  }
  US_TRY(check_request(message, *tsig, now, session));
  return session;
}

namespace {

/// RFC 8945 section 5.3.2: a failed key or MAC check is never answered with a signature.
bool answers_unsigned(const TsigSession& session) {
  return session.key == nullptr || session.error == Rcode::BADKEY || session.error == Rcode::BADSIG;
}

/// Signs the first or only response; the MAC is empty if the response had to stay unsigned.
Result<Mac> sign_first_response(Bytes& message, const TsigSession& session, std::uint64_t now) {
  Outgoing tsig{.key_name = session.key_name,
                .algorithm = session.algorithm_name,
                .time = now & time_mask,
                .fudge = tsig_default_fudge,
                .original_id = session.original_id,
                .error = session.error,
                .other = {}};
  if (answers_unsigned(session)) {
    US_TRY(append_tsig(message, tsig, {}));
    return Mac{};
  }
  std::uint8_t server_time[6];
  if (session.error == Rcode::BADTIME) {
    // The client's own time lets it verify this in spite of the difference (RFC 8945 section 5.2.3).
    store_u48(server_time, now & time_mask);
    tsig.time = session.request_time;
    tsig.fudge = session.request_fudge;
    tsig.other = server_time;
  }
  const ByteView request_mac = session.request_mac;
  return sign_and_append(message, *session.key, &request_mac, tsig);
}

}  // namespace

std::size_t tsig_size(const TsigSession& session) {
  const std::size_t mac = answers_unsigned(session) ? 0 : tsig_digest_size(session.key->algorithm);
  const std::size_t other = session.error == Rcode::BADTIME ? 6 : 0;
  return session.key_name.size() + 10 + session.algorithm_name.size() + 16 + mac + other;
}

Result<void> sign_response(Bytes& message, const TsigSession& session, std::uint64_t now) {
  US_TRY(sign_first_response(message, session, now));
  return {};
}

Result<void> TsigResponseSigner::sign(Bytes& message, std::uint64_t now) {
  if (previous_mac_.empty()) {
    US_ASSIGN(const Mac mac, sign_first_response(message, session_, now));
    previous_mac_.assign(mac.view().begin(), mac.view().end());
    return {};
  }
  const Outgoing tsig{.key_name = session_.key_name,
                      .algorithm = session_.algorithm_name,
                      .time = now & time_mask,
                      .fudge = tsig_default_fudge,
                      .original_id = session_.original_id,
                      .error = Rcode::NOERROR,
                      .other = {}};
  US_ASSIGN(Hmac hmac, Hmac::start(*session_.key));
  hmac.add_mac(previous_mac_);
  add_message(hmac, message, load_u16(&message[10]), tsig.original_id);
  add_timers(hmac, tsig.time, tsig.fudge);
  US_ASSIGN(const Mac mac, hmac.finish());
  US_TRY(append_tsig(message, tsig, mac.view()));
  previous_mac_.assign(mac.view().begin(), mac.view().end());
  return {};
}

Result<Bytes> sign_request(Bytes& message, const TsigKey& key, std::uint64_t now) {
  if (message.size() < header_size) return fail(Errc::internal, "a message without header cannot be signed");
  const Outgoing tsig{.key_name = key.name,
                      .algorithm = tsig_algorithm_name(key.algorithm),
                      .time = now & time_mask,
                      .fudge = tsig_default_fudge,
                      .original_id = load_u16(&message[0]),
                      .error = Rcode::NOERROR,
                      .other = {}};
  US_ASSIGN(const Mac mac, sign_and_append(message, key, nullptr, tsig));
  return Bytes(mac.view().begin(), mac.view().end());
}

struct TsigStream::State {
  std::shared_ptr<const TsigKey> key;
  Bytes prior_mac;  // the request's, then that of the last signed message
  Hmac hmac;        // has taken the prior MAC and the unsigned messages since
  bool hmac_running = false;
  bool first = true;          // no signed message yet
  unsigned unsigned_run = 0;  // messages since the last signed one

  Result<void> start_digest();
  Result<void> take_unsigned(const MessageView& message);
  Result<void> check_key(const TsigRecord& tsig) const;
  Result<void> check_mac_size(const TsigRecord& tsig) const;
  [[nodiscard]] Error peer_error(const TsigRecord& tsig, std::uint64_t now) const;
  Result<void> take_signed(const MessageView& message, const TsigRecord& tsig, std::uint64_t now);
};

Result<void> TsigStream::State::start_digest() {
  if (hmac_running) return {};
  US_ASSIGN(hmac, Hmac::start(*key));
  hmac.add_mac(prior_mac);
  hmac_running = true;
  return {};
}

Result<void> TsigStream::State::take_unsigned(const MessageView& message) {
  const bool refused = message.rcode() != Rcode::NOERROR;
  if (first || refused) {
    return fail(Errc::tsig_missing,
                refused ? "it says " + rcode_text(message.rcode()) : "the first message has no TSIG");
  }
  if (unsigned_run == max_unsigned_run) {
    return fail(Errc::tsig_missing, "100 messages in a row without TSIG, RFC 8945 allows 99");
  }
  ++unsigned_run;
  US_TRY(start_digest());
  hmac.add(message.bytes());
  return {};
}

Result<void> TsigStream::State::check_key(const TsigRecord& tsig) const {
  if (!key->name.view().equals(tsig.key_name)) {
    return fail(Errc::tsig_bad_key, "signed with key " + tsig.key_name.text() + ", expected " + key->name.text());
  }
  if (!tsig_algorithm_name(key->algorithm).equals(tsig.algorithm)) {
    return fail(Errc::tsig_bad_key, "signed with algorithm " + tsig.algorithm.text() + ", expected " +
                                        std::string(tsig_algorithm_text(key->algorithm)));
  }
  return {};
}

Result<void> TsigStream::State::check_mac_size(const TsigRecord& tsig) const {
  const std::string sizes =
      std::to_string(tsig.mac.size()) + " octets of " + std::to_string(tsig_digest_size(key->algorithm));
  switch (mac_length(key->algorithm, tsig.mac.size())) {
    case MacLength::allowed:
      return {};
    case MacLength::too_long:
      return fail(Errc::bad_tsig, "a MAC of " + sizes);
    case MacLength::too_short:
      return fail(Errc::tsig_bad_truncation, sizes);
  }
  return {};
}

Error TsigStream::State::peer_error(const TsigRecord& tsig, std::uint64_t now) const {
  std::string text = tsig_error_text(tsig.error) + " for key " + key->name.text();
  if (tsig.error == Rcode::BADTIME && tsig.other.size() == 6) {
    const std::uint64_t theirs = load_u48(tsig.other.data());
    text += theirs > now ? ", its clock is " + std::to_string(theirs - now) + " s ahead of ours"
                         : ", its clock is " + std::to_string(now - theirs) + " s behind ours";
  }
  return {Errc::tsig_peer_error, std::move(text)};
}

/// RFC 8945 section 5.4: the checks of section 5.2 in their order, key, MAC, time.
Result<void> TsigStream::State::take_signed(const MessageView& message, const TsigRecord& tsig, std::uint64_t now) {
  US_TRY(check_key(tsig));
  // An unsigned TSIG error cannot be believed, but it ends the exchange anyhow and names the likely cause.
  if (tsig.mac.empty() && tsig.error != Rcode::NOERROR) return std::unexpected(peer_error(tsig, now));
  US_TRY(check_mac_size(tsig));
  US_TRY(start_digest());
  add_message(hmac, without_tsig(message), static_cast<std::uint16_t>(message.header().arcount - 1), tsig.original_id);
  if (first) {
    add_variables(hmac, tsig.key_name, tsig.algorithm, tsig.time_signed, tsig.fudge, tsig.error, tsig.other);
  } else {
    add_timers(hmac, tsig.time_signed, tsig.fudge);
  }
  hmac_running = false;
  US_ASSIGN(const Mac mac, hmac.finish());
  if (!mac_matches(mac, tsig.mac)) return fail(Errc::tsig_bad_signature, "key " + key->name.text());
  if (tsig.error != Rcode::NOERROR) return std::unexpected(peer_error(tsig, now));
  if (!time_allowed(tsig.time_signed, tsig.fudge, now)) {
    return fail(Errc::tsig_bad_time, "signed at " + std::to_string(tsig.time_signed) + ", now it is " +
                                         std::to_string(now) + ", allowed are " + std::to_string(tsig.fudge) +
                                         " s of difference");
  }
  first = false;
  unsigned_run = 0;
  prior_mac.assign(tsig.mac.begin(), tsig.mac.end());
  return {};
}

TsigStream::TsigStream(std::shared_ptr<const TsigKey> key, Bytes request_mac) : state_(std::make_unique<State>()) {
  state_->key = std::move(key);
  state_->prior_mac = std::move(request_mac);
}
TsigStream::~TsigStream() = default;
TsigStream::TsigStream(TsigStream&&) noexcept = default;
TsigStream& TsigStream::operator=(TsigStream&&) noexcept = default;

Result<void> TsigStream::verify(const MessageView& message, std::uint64_t now) {
  US_ASSIGN(const std::optional<TsigRecord> tsig, find_tsig(message));
  return tsig ? state_->take_signed(message, *tsig, now) : state_->take_unsigned(message);
}

Result<void> TsigStream::finish() const {
  if (state_->first) return fail(Errc::tsig_missing, "no message came");
  if (state_->unsigned_run != 0) return fail(Errc::tsig_missing, "the last message has no TSIG");
  return {};
}

}  // namespace understudy
