#include "dns/type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace understudy {
namespace {

struct Mnemonic {
  std::uint16_t number;
  std::string_view text;
};

// Every mnemonic of the IANA registry "Resource Record (RR) TYPEs", by number.
constexpr auto type_names = std::to_array<Mnemonic>({
    {1, "A"},          {2, "NS"},        {3, "MD"},          {4, "MF"},     {5, "CNAME"},     {6, "SOA"},
    {7, "MB"},         {8, "MG"},        {9, "MR"},          {10, "NULL"},  {11, "WKS"},      {12, "PTR"},
    {13, "HINFO"},     {14, "MINFO"},    {15, "MX"},         {16, "TXT"},   {17, "RP"},       {18, "AFSDB"},
    {19, "X25"},       {20, "ISDN"},     {21, "RT"},         {22, "NSAP"},  {23, "NSAP-PTR"}, {24, "SIG"},
    {25, "KEY"},       {26, "PX"},       {27, "GPOS"},       {28, "AAAA"},  {29, "LOC"},      {30, "NXT"},
    {31, "EID"},       {32, "NIMLOC"},   {33, "SRV"},        {34, "ATMA"},  {35, "NAPTR"},    {36, "KX"},
    {37, "CERT"},      {38, "A6"},       {39, "DNAME"},      {40, "SINK"},  {41, "OPT"},      {42, "APL"},
    {43, "DS"},        {44, "SSHFP"},    {45, "IPSECKEY"},   {46, "RRSIG"}, {47, "NSEC"},     {48, "DNSKEY"},
    {49, "DHCID"},     {50, "NSEC3"},    {51, "NSEC3PARAM"}, {52, "TLSA"},  {53, "SMIMEA"},   {55, "HIP"},
    {56, "NINFO"},     {57, "RKEY"},     {58, "TALINK"},     {59, "CDS"},   {60, "CDNSKEY"},  {61, "OPENPGPKEY"},
    {62, "CSYNC"},     {63, "ZONEMD"},   {64, "SVCB"},       {65, "HTTPS"}, {66, "DSYNC"},    {67, "HHIT"},
    {68, "BRID"},      {99, "SPF"},      {100, "UINFO"},     {101, "UID"},  {102, "GID"},     {103, "UNSPEC"},
    {104, "NID"},      {105, "L32"},     {106, "L64"},       {107, "LP"},   {108, "EUI48"},   {109, "EUI64"},
    {128, "NXNAME"},   {249, "TKEY"},    {250, "TSIG"},      {251, "IXFR"}, {252, "AXFR"},    {253, "MAILB"},
    {254, "MAILA"},    {255, "ANY"},     {256, "URI"},       {257, "CAA"},  {258, "AVC"},     {259, "DOA"},
    {260, "AMTRELAY"}, {261, "RESINFO"}, {262, "WALLET"},    {263, "CLA"},  {264, "IPN"},     {32768, "TA"},
    {32769, "DLV"},
});
static_assert(std::ranges::is_sorted(type_names, {}, &Mnemonic::number));

constexpr auto types_by_text = [] {
  auto sorted = type_names;
  std::ranges::sort(sorted, {}, &Mnemonic::text);
  return sorted;
}();

// The first of several names for a number is the one printed.
constexpr auto class_names = std::to_array<Mnemonic>(
    {{1, "IN"}, {3, "CH"}, {3, "CHAOS"}, {4, "HS"}, {4, "HESIOD"}, {254, "NONE"}, {255, "ANY"}});

// 16 is BADVERS in a message and BADSIG in a TSIG record (RFC 6895 section 2.3); here it is the message's.
constexpr auto rcode_names = std::to_array<Mnemonic>({
    {0, "NOERROR"},  {1, "FORMERR"},    {2, "SERVFAIL"}, {3, "NXDOMAIN"},  {4, "NOTIMP"},
    {5, "REFUSED"},  {6, "YXDOMAIN"},   {7, "YXRRSET"},  {8, "NXRRSET"},   {9, "NOTAUTH"},
    {10, "NOTZONE"}, {11, "DSOTYPENI"}, {16, "BADVERS"}, {17, "BADKEY"},   {18, "BADTIME"},
    {19, "BADMODE"}, {20, "BADNAME"},   {21, "BADALG"},  {22, "BADTRUNC"}, {23, "BADCOOKIE"},
});

constexpr auto opcode_names =
    std::to_array<Mnemonic>({{0, "QUERY"}, {1, "IQUERY"}, {2, "STATUS"}, {4, "NOTIFY"}, {5, "UPDATE"}, {6, "DSO"}});

/// The mnemonic, or `prefix` and the number (RFC 3597 section 5).
std::string text_or_number(std::span<const Mnemonic> names, std::string_view prefix, std::uint16_t number) {
  const auto found = std::ranges::find(names, number, &Mnemonic::number);
  if (found != names.end()) return std::string(found->text);
  return std::string(prefix) + std::to_string(number);
}

/// A mnemonic or number as looked for in the tables; longer text than any entry becomes empty.
class UpperText {
 public:
  explicit UpperText(std::string_view text) {
    if (text.size() > buffer_.size()) return;
    for (const char c : text) buffer_[size_++] = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
  }
  [[nodiscard]] std::string_view view() const { return {buffer_.data(), size_}; }

 private:
  std::array<char, 16> buffer_;
  std::size_t size_ = 0;
};

std::optional<std::uint16_t> number_after(std::string_view prefix, std::string_view text) {
  if (!text.starts_with(prefix)) return std::nullopt;
  text.remove_prefix(prefix.size());
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string type_text(RRType type) {
  const auto found = std::ranges::lower_bound(type_names, number(type), {}, &Mnemonic::number);
  if (found != type_names.end() && found->number == number(type)) return std::string(found->text);
  return "TYPE" + std::to_string(number(type));
}

std::optional<RRType> type_from_text(std::string_view text) {
  const UpperText upper(text);
  const auto found = std::ranges::lower_bound(types_by_text, upper.view(), {}, &Mnemonic::text);
  if (found != types_by_text.end() && found->text == upper.view()) return static_cast<RRType>(found->number);
  if (const auto value = number_after("TYPE", upper.view())) return static_cast<RRType>(*value);
  return std::nullopt;
}

std::string class_text(RRClass klass) {
  return text_or_number(class_names, "CLASS", number(klass));
}

std::optional<RRClass> class_from_text(std::string_view text) {
  const UpperText upper(text);
  const auto found = std::ranges::find(class_names, upper.view(), &Mnemonic::text);
  if (found != class_names.end()) return static_cast<RRClass>(found->number);
  if (const auto value = number_after("CLASS", upper.view())) return static_cast<RRClass>(*value);
  return std::nullopt;
}

std::string rcode_text(Rcode rcode) {
  return text_or_number(rcode_names, "RCODE", number(rcode));
}

std::string opcode_text(Opcode opcode) {
  return text_or_number(opcode_names, "OPCODE", static_cast<std::uint16_t>(opcode));
}

}  // namespace understudy
