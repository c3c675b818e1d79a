#include "answer/chaos.h"

#include <algorithm>

namespace understudy {
namespace {

struct ChaosName {
  std::string_view wire;
  std::string ChaosSettings::* text;
};
using namespace std::string_view_literals;
constexpr ChaosName names[] = {
    {"\7version\4bind\0"sv, &ChaosSettings::version},
    {"\7version\6server\0"sv, &ChaosSettings::version},
    {"\10hostname\4bind\0"sv, &ChaosSettings::identity},
    {"\2id\6server\0"sv, &ChaosSettings::identity},
};

}  // namespace

const std::string& ChaosSettings::text_at(NameView name) const {
  static const std::string nothing;
  for (const ChaosName& known : names) {
    if (name.equals(NameView::trusted(view_of(known.wire)))) return this->*known.text;
  }
  return nothing;
}

Bytes txt_rdata(std::string_view text) {
  const std::size_t size = std::min<std::size_t>(text.size(), 255);
  Bytes out;
  append_u8(out, static_cast<std::uint8_t>(size));
  append(out, view_of(text.substr(0, size)));
  return out;
}

}  // namespace understudy
