// Transaction signatures (RFC 8945). No clock inside: the time is an argument, in seconds since 1970 UTC.
//
// Three users: a server checks a request and signs the response (verify_request, sign_response); a client signs a
// request and checks responses, one or a whole transfer (sign_request, TsigStream). HMAC is GnuTLS's.
// Thread-compatible.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "dns/message.h"
#include "dns/name.h"

namespace understudy {

enum class TsigAlgorithm : std::uint8_t { hmac_md5, hmac_sha1, hmac_sha224, hmac_sha256, hmac_sha384, hmac_sha512 };

/// "hmac-sha256" and the like, without case; hmac-md5 also as hmac-md5.sig-alg.reg.int.
std::optional<TsigAlgorithm> tsig_algorithm_from_text(std::string_view text);
std::string_view tsig_algorithm_text(TsigAlgorithm algorithm);
/// The algorithm's name on the wire (RFC 8945 section 6).
NameView tsig_algorithm_name(TsigAlgorithm algorithm);
std::size_t tsig_digest_size(TsigAlgorithm algorithm);

inline constexpr std::uint16_t tsig_default_fudge = 300;  // seconds, RFC 8945 section 10

struct TsigKey {
  Name name;
  TsigAlgorithm algorithm = TsigAlgorithm::hmac_sha256;
  Bytes secret;  // decoded from base64
};

/// Keys by name. Immutable once shared.
class TsigKeyring {
 public:
  void add(TsigKey key) { keys_.insert_or_assign(key.name.lowered(), std::make_shared<const TsigKey>(std::move(key))); }
  [[nodiscard]] std::shared_ptr<const TsigKey> find(NameView name) const;

 private:
  std::map<Name, std::shared_ptr<const TsigKey>> keys_;
};

/// A parsed TSIG record (RFC 8945 section 4.2). Views into the message.
struct TsigRecord {
  Name key_name;
  Name algorithm;
  std::uint64_t time_signed = 0;
  std::uint16_t fudge = 0;
  ByteView mac;
  std::uint16_t original_id = 0;
  Rcode error = Rcode::NOERROR;
  ByteView other;
};
/// The TSIG at the end of `message`; Errc::bad_tsig if its fields do not fit. nullopt if there is none.
Result<std::optional<TsigRecord>> find_tsig(const MessageView& message);

/// What a server must keep of a signed request to sign its response.
struct TsigSession {
  std::shared_ptr<const TsigKey> key;  // null if the key is unknown: the error response is then unsigned
  Name key_name, algorithm_name;       // as received, echoed in unsigned error responses
  Bytes request_mac;                   // as received (maybe truncated)
  Rcode error = Rcode::NOERROR;        // BADSIG, BADKEY, BADTIME, BADTRUNC, or NOERROR if the request is authentic
  std::uint64_t request_time = 0;
  std::uint16_t request_fudge = tsig_default_fudge;
  std::uint16_t original_id = 0;  // the request's, which its responses repeat
};

/// Checks a request's TSIG (RFC 8945 section 5.2: key, then MAC, then time, then truncation). nullopt if unsigned.
/// A failed check is not an Error but session.error != NOERROR: answer NOTAUTH with it. Errc::bad_tsig: answer FORMERR
/// (also for MACs shorter than the larger of 10 octets and half the digest).
Result<std::optional<TsigSession>> verify_request(const MessageView& message, const TsigKeyring& keys,
                                                  std::uint64_t now);

/// Octets that a TSIG record added by sign_response may need.
std::size_t tsig_size(const TsigSession& session);

/// Appends the TSIG record to the finished `message` (header ARCOUNT is updated). For the first or only response of a
/// request. BADKEY and BADSIG errors are sent unsigned, BADTIME is signed and carries `now` (RFC 8945 section 5.2.3).
Result<void> sign_response(Bytes& message, const TsigSession& session, std::uint64_t now);

/// Signs the messages of a multi-message response (RFC 8945 section 5.3.1): the first covers the request's MAC, each
/// later one the previous MAC and the timers only.
class TsigResponseSigner {
 public:
  explicit TsigResponseSigner(TsigSession session) : session_(std::move(session)) {}
  Result<void> sign(Bytes& message, std::uint64_t now);

 private:
  TsigSession session_;
  Bytes previous_mac_;
};

/// Signs a request and returns its MAC, which TsigStream needs.
Result<Bytes> sign_request(Bytes& message, const TsigKey& key, std::uint64_t now);

/// Checks the response(s) to one signed request, in order. The first must be signed, then at least every hundredth
/// and the last (RFC 8945 section 5.3.1: at most 99 unsigned between two signed ones).
class TsigStream {
 public:
  TsigStream(std::shared_ptr<const TsigKey> key, Bytes request_mac);
  ~TsigStream();
  TsigStream(TsigStream&&) noexcept;
  TsigStream& operator=(TsigStream&&) noexcept;

  /// Errc::tsig_missing, tsig_bad_key, tsig_bad_signature, tsig_bad_time, tsig_bad_truncation, tsig_peer_error,
  /// bad_tsig. Errors concern the whole exchange. An unsigned message in the middle is held to be confirmed by the next
  /// signed one.
  Result<void> verify(const MessageView& message, std::uint64_t now);
  /// Call after the last message: Errc::tsig_missing if it was not signed.
  [[nodiscard]] Result<void> finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace understudy
