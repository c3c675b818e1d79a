#include "transfer/catalog_facts.h"

#include <utility>

namespace understudy {
namespace {

constexpr std::uint8_t format_version = 1;
constexpr std::size_t max_groups = 1000;  // what is over it is not stored

Result<Name> read_name(ByteReader& in) {
  US_ASSIGN(const NameView name, NameView::read(in));
  return Name(name).lowered();
}

}  // namespace

std::string member_fact_key(ByteView name) {
  std::string key(member_fact_prefix);
  key += text_of(name);
  return key;
}

Fact member_fact(NameView catalog, const CatalogMember& member, WallSeconds removed_at) {
  Bytes value;
  append_u8(value, format_version);
  append(value, catalog.wire());
  append_u8(value, static_cast<std::uint8_t>(member.label.size()));
  append(value, member.label);
  append(value, member.coo.wire());
  append_u32(value, static_cast<std::uint32_t>(removed_at >> 32));
  append_u32(value, static_cast<std::uint32_t>(removed_at));
  const auto groups = member.groups.first(std::min(member.groups.size(), max_groups));
  append_u16(value, static_cast<std::uint16_t>(groups.size()));
  for (const std::string& group : groups) {
    append_u8(value, static_cast<std::uint8_t>(group.size()));
    append(value, view_of(group));
  }
  return {member_fact_key(member.name.wire()), std::move(value)};
}

Result<StoredMember> read_member_fact(std::string_view key, ByteView value) {
  StoredMember out;
  ByteReader key_in(view_of(key.substr(std::min(key.size(), member_fact_prefix.size()))));
  US_ASSIGN(out.name, read_name(key_in));
  ByteReader in(value);
  if (!key.starts_with(member_fact_prefix) || key_in.remaining() != 0 || in.u8() != format_version) {
    return fail(Errc::corrupt, "a stored member of a catalog is of another format");
  }
  US_ASSIGN(out.catalog, read_name(in));
  const ByteView label = in.bytes(in.u8());
  out.label.assign(label.begin(), label.end());
  US_ASSIGN(out.coo, read_name(in));
  const std::uint64_t high = in.u32();
  out.removed_at = static_cast<WallSeconds>(high << 32 | in.u32());
  for (std::size_t left = in.u16(); left > 0 && in.ok(); --left) {
    out.groups.emplace_back(text_of(in.bytes(in.u8())));
  }
  if (!in.ok() || in.remaining() != 0 || label.empty() || label.size() > max_label_size) {
    return fail(Errc::corrupt, "stored data of member " + out.name.text() + " of a catalog are damaged");
  }
  return out;
}

}  // namespace understudy
