#include "zone/zone_digest.h"

#include <nettle/sha2.h>

#include <algorithm>

#include "dns/rdata.h"
#include "zone/sort_key.h"

namespace understudy {
namespace {

constexpr std::uint8_t simple_scheme = 1;
constexpr std::size_t fixed_octets = 6;  // serial, scheme, hash
constexpr std::size_t most_claims = 64;  // each is compared with each

bool is_less(ByteView a, ByteView b) {
  return std::ranges::lexicographical_compare(a, b);
}

// SHA-384 is SHA-512 from another beginning, cut.
class Sha2 {
 public:
  explicit Sha2(DigestHash hash) : hash_(hash) {
    if (hash == DigestHash::sha384) {
      sha384_init(&context_);
    } else {
      sha512_init(&context_);
    }
  }
  void update(ByteView octets) { sha512_update(&context_, octets.size(), octets.data()); }
  Bytes finish() {
    Bytes out(hash_ == DigestHash::sha384 ? SHA384_DIGEST_SIZE : SHA512_DIGEST_SIZE);
    if (hash_ == DigestHash::sha384) {
      sha384_digest(&context_, out.size(), out.data());
    } else {
      sha512_digest(&context_, out.size(), out.data());
    }
    return out;
  }

 private:
  const DigestHash hash_;
  sha512_ctx context_;
};

// All names in canonical order (RFC 4034 section 6.1), as few octets each.
class NamesInOrder {
 public:
  explicit NamesInOrder(const Zone& version) {
    places_.reserve(version.node_count());
    version.for_each_node(nullptr, [&](const Node& node) {
      const SortKey key(node.relative_name());
      places_.push_back({keys_.size(), key.octets().size(), &node});
      append(keys_, key.octets());
    });
    std::ranges::sort(places_, [&](const Place& a, const Place& b) { return is_less(key_of(a), key_of(b)); });
  }
  template <typename F>
  void for_each(F&& f) const {
    for (const Place& place : places_) f(*place.node);
  }

 private:
  struct Place {
    std::size_t offset, size;
    const Node* node;
  };
  [[nodiscard]] ByteView key_of(const Place& place) const { return ByteView(keys_).subspan(place.offset, place.size); }

  Bytes keys_;
  std::vector<Place> places_;
};

// The records of one name in canonical order and form: by type, then by data.
class NameDigester {
 public:
  NameDigester(const Zone& version, Sha2& hash) : version_(version), hash_(hash) {}

  void add(const Node& node) {
    records_.clear();
    octets_.clear();
    for (std::size_t i = 0; i < node.rrset_count; ++i) {
      const RRType type = node.type_at(i);
      if (type == RRType::ZONEMD && node.name_size() == 0) continue;  // and the signatures that cover them
      const RRsetView rrset(&node, type, node.chunk_at(i), version_.apex());
      const std::uint32_t ttl = rrset.ttl();
      rrset.for_each_rdata([&](ByteView rdata) { put(type, ttl, rdata); });
      rrset.for_each_signature([&](std::uint32_t own, ByteView rdata) { put(RRType::RRSIG, own, rdata); });
    }
    std::ranges::sort(records_, [&](const Record& a, const Record& b) {
      return a.type != b.type ? a.type < b.type : is_less(rdata_of(a), rdata_of(b));
    });
    const Name owner = version_.owner_of(&node).lowered();
    for (const Record& record : records_) {
      head_.assign(owner.wire().begin(), owner.wire().end());
      append_u16(head_, record.type);
      append_u16(head_, number(RRClass::IN));
      append_u32(head_, record.ttl);
      append_u16(head_, static_cast<std::uint16_t>(record.size));
      hash_.update(head_);
      hash_.update(rdata_of(record));
    }
  }

 private:
  struct Record {
    std::uint16_t type;
    std::uint32_t ttl;
    std::size_t offset, size;
  };
  void put(RRType type, std::uint32_t ttl, ByteView rdata) {
    const std::size_t begin = octets_.size();
    append_canonical_rdata(type, rdata, octets_);
    records_.push_back({number(type), ttl, begin, octets_.size() - begin});
  }
  [[nodiscard]] ByteView rdata_of(const Record& record) const {
    return ByteView(octets_).subspan(record.offset, record.size);
  }

  const Zone& version_;
  Sha2& hash_;
  std::vector<Record> records_;
  Bytes octets_, head_;
};

// Those that can be verified (section 4, step 4): of this version, of the scheme and a hash that we know, whole, and
// the only one of that scheme and hash.
std::vector<Bytes> usable_claims(const Zone& version) {
  std::vector<Bytes> all;
  if (const auto rrset = version.rrset(version.apex_node(), RRType::ZONEMD); rrset && rrset->size() <= most_claims) {
    rrset->for_each_rdata([&](ByteView rdata) {
      if (rdata.size() >= fixed_octets) all.emplace_back(rdata.begin(), rdata.end());
    });
  }
  std::vector<Bytes> usable;
  for (const Bytes& rdata : all) {
    const auto hash = static_cast<DigestHash>(rdata[5]);
    const bool is_known = hash == DigestHash::sha384 || hash == DigestHash::sha512;
    const std::size_t size = hash == DigestHash::sha384 ? SHA384_DIGEST_SIZE : SHA512_DIGEST_SIZE;
    const auto is_same_kind = [&](const Bytes& other) { return other[4] == rdata[4] && other[5] == rdata[5]; };
    if (load_u32(rdata.data()) == version.serial().value && rdata[4] == simple_scheme && is_known &&
        rdata.size() == fixed_octets + size && std::ranges::count_if(all, is_same_kind) == 1) {
      usable.push_back(rdata);
    }
  }
  return usable;
}

}  // namespace

Bytes zone_digest(const Zone& version, DigestHash hash) {
  Sha2 context(hash);
  NameDigester digester(version, context);
  NamesInOrder(version).for_each([&](const Node& node) { digester.add(node); });
  return context.finish();
}

bool claims_digest(const Zone& version) {
  return !usable_claims(version).empty();
}

std::vector<Bytes> shown_digests(const Zone& version) {
  std::vector<Bytes> claims = usable_claims(version);
  std::erase_if(claims, [&](const Bytes& rdata) {
    return !std::ranges::equal(ByteView(rdata).subspan(fixed_octets),
                               zone_digest(version, static_cast<DigestHash>(rdata[5])));
  });
  return claims;
}

}  // namespace understudy
