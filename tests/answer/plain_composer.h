// A plain, slow, obviously correct answering side, to compare the real one with: records in a std::map, RFC 1034
// section 4.3.2 step by step, no compression, no limits. Knows nothing of src/zone and src/answer.
//
// It says what the whole answer would be; check_response() decides whether a real message is that answer, or a legal
// truncation of it. TSIG and allowed transfers are not modelled; nobody may NOTIFY or transfer here.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "dns/message.h"
#include "dns/record.h"
#include "dns/type.h"

namespace understudy::plain {

/// RDATA in the form in which records are compared (RFC 4034 section 6.2).
Bytes canonical(RRType type, ByteView rdata);

struct RRset {
  std::uint32_t ttl = 0;
  std::vector<Bytes> data;
  std::vector<std::pair<std::uint32_t, Bytes>> signatures;  // with their own TTLs
};

class Zone {
 public:
  enum class State { served, not_loaded, expired };

  Zone(NameView apex, const std::vector<Record>& records, State state = State::served);

  [[nodiscard]] const Name& apex() const { return apex_; }
  [[nodiscard]] State state() const { return state_; }
  /// Null if there is no record of this type, signature or not.
  [[nodiscard]] const RRset* find(NameView owner, RRType type) const;
  [[nodiscard]] bool has(NameView owner, RRType type) const;
  /// Types with data or signatures at a name, ascending.
  [[nodiscard]] std::vector<RRType> types(NameView owner) const;
  /// The name owns something that is not NSEC3's, or something is below it.
  [[nodiscard]] bool exists(NameView owner) const;
  [[nodiscard]] const std::map<Name, std::map<RRType, RRset>>& nodes() const { return nodes_; }
  /// NSEC or NSEC3, whichever denies names here.
  [[nodiscard]] std::optional<RRType> denial() const { return denial_; }
  /// Of NSEC3: the first octets of its RDATA, algorithm, flags, iterations and salt; flags are 0.
  [[nodiscard]] const Bytes& nsec3() const { return nsec3_; }
  /// The owner in the chain that is `name`, or the last before it in canonical order (the order has no end).
  [[nodiscard]] const Name* chain_owner(NameView name) const;

 private:
  void find_chain();

  Name apex_;
  State state_;
  std::map<Name, std::map<RRType, RRset>> nodes_;
  std::optional<RRType> denial_;
  Bytes nsec3_;
  std::vector<Name> chain_;  // in canonical order
};

/// Part of an answer that is there whole or not at all.
struct Part {
  Section section;
  Name owner;
  RRType type;
  std::vector<Record> records;  // signatures included
  bool required;                // TC where it is missing
  bool last;                    // nothing more is added where it is missing
};

struct Response {
  bool silent = false;       // no answer at all
  bool header_only = false;  // the query could not be read
  Rcode rcode = Rcode::NOERROR;
  bool authoritative = false;
  std::vector<Part> parts;
  std::optional<std::uint16_t> extended_error;
  std::optional<Bytes> zone_version;  // content of ZONEVERSION
};

struct Settings {
  std::uint16_t udp_max_size = 1232;
  // The server has cookies, and says this of itself by NSID.
  std::string nsid = "plain";
  bool follows_aliases = false;    // CNAME and DNAME into other zones
  bool minimal_responses = false;  // additional records only where they are required
};

/// nullopt for what is not modelled (TSIG).
std::optional<Response> answer(const std::vector<Zone>& zones, ByteView query, bool tcp, const Settings& settings = {});

/// Empty if `message` is the answer `expected` to `query` or a legal truncation; else what is wrong with it.
std::string check_response(const Response& expected, ByteView query, ByteView message, bool tcp,
                           const Settings& settings = {});

}  // namespace understudy::plain
