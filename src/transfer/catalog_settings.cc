#include "transfer/catalog_settings.h"

namespace understudy {
namespace {

constexpr std::uint8_t format_version = 3;
constexpr std::uint8_t without_serial = 2;  // earlier formats
constexpr std::uint8_t without_purge_after = 1;

std::string key_of(NameView catalog) {
  std::string key(catalog_fact_prefix);
  key += text_of(Name(catalog).lowered().wire());
  return key;
}

// Names of templates and groups: at most 255 octets (a group is one string of a TXT record).
void append_text(Bytes& out, std::string_view text) {
  text = text.substr(0, 255);
  append_u8(out, static_cast<std::uint8_t>(text.size()));
  append(out, view_of(text));
}
std::string read_text(ByteReader& in) {
  return std::string(text_of(in.bytes(in.u8())));
}

}  // namespace

Fact catalog_fact(NameView catalog, const StoredCatalog& stored) {
  const TemplateChoice& choice = stored.templates;
  Bytes value{format_version};
  append_u32(value, static_cast<std::uint32_t>(stored.purge_after >> 32));
  append_u32(value, static_cast<std::uint32_t>(stored.purge_after));
  append_u8(value, stored.serial ? 1 : 0);
  append_u32(value, stored.serial ? stored.serial->value : 0);
  append_text(value, choice.default_template);
  for (const auto& [group, template_name] : choice.group_templates) {
    append_text(value, group);
    append_text(value, template_name);
  }
  return {key_of(catalog), std::move(value)};
}

Fact no_catalog_fact(NameView catalog) {
  return {key_of(catalog), std::nullopt};
}

Result<std::pair<Name, StoredCatalog>> read_catalog_fact(std::string_view key, ByteView value) {
  const auto damaged = [] { return fail(Errc::corrupt, "stored settings of a catalog are damaged"); };
  if (!key.starts_with(catalog_fact_prefix)) return damaged();
  ByteReader key_in(view_of(key.substr(catalog_fact_prefix.size())));
  const auto catalog = NameView::read(key_in);
  ByteReader in(value);
  const std::uint8_t format = in.u8();
  if (!catalog || key_in.remaining() != 0 || format == 0 || format > format_version) {
    return damaged();
  }
  StoredCatalog stored;
  if (format != without_purge_after) {
    const std::uint64_t high = in.u32();
    stored.purge_after = static_cast<WallSeconds>(high << 32 | in.u32());
  }
  if (format != without_purge_after && format != without_serial) {
    const bool is_known = in.u8() != 0;
    const Serial serial{in.u32()};
    if (is_known) stored.serial = serial;
  }
  TemplateChoice& choice = stored.templates;
  choice.default_template = read_text(in);
  while (in.ok() && in.remaining() != 0) {
    std::string group = read_text(in);
    choice.group_templates[std::move(group)] = read_text(in);
  }
  if (!in.ok()) return damaged();
  return std::pair(Name(*catalog), std::move(stored));
}

}  // namespace understudy
