// Printing of RDATA fields. Internal to dns/: others use rdata_text.
//
// Every function reads one field and appends its text. It returns false if the field has no text form that would be
// parsed to the same octets; the whole RDATA is then printed in the \# form (RFC 3597 section 5), so that no
// export of a zone ever alters data.
#pragma once

#include <string>

#include "base/bytes.h"

namespace understudy {

/// Octets with `"`, `\` and the unprintable escaped, without the quotes around.
void append_quotable(std::string& out, ByteView octets);
bool print_ipv4(ByteReader& r, std::string& out);
bool print_ipv6(ByteReader& r, std::string& out);
bool print_name(ByteReader& r, std::string& out);

// rdata_special.cc
bool print_bitmap(ByteReader& r, std::string& out);
bool print_nxt_bitmap(ByteReader& r, std::string& out);
bool print_apl(ByteReader& r, std::string& out);
bool print_ipsec_gateway(ByteReader& r, std::string& out);
bool print_amt_relay(ByteReader& r, std::string& out);
bool print_hip_key(ByteReader& r, std::string& out);
// rdata_loc.cc
bool print_loc(ByteReader& r, std::string& out);
// rdata_svcb.cc
bool print_svc_params(ByteReader& r, std::string& out);

}  // namespace understudy
