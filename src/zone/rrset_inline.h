// Implementation of the templates of RRsetView and Zone. Included by zone/zone.h.
#pragma once

#include <array>

namespace understudy {

namespace rrset_detail {

inline constexpr std::size_t record_header = 12;  // owner pointer, type, class, TTL, RDLENGTH

/// Uncompressed RDATA of the record whose RDATA is at `at`, in `scratch` if it holds compressed names.
inline ByteView expand(RRType type, const std::uint8_t* records, std::size_t at, std::size_t size, NameView owner,
                       std::array<std::uint8_t, 600>& scratch) {
  const CompressedLayout layout = compressed_layout(type);
  if (layout.names == 0) return {records + at, size};
  std::size_t out = layout.prefix;
  if (layout.prefix != 0) std::memcpy(scratch.data(), records + at, layout.prefix);
  std::size_t in = at + layout.prefix;
  for (unsigned i = 0; i < layout.names; ++i) {
    out += expand_chunk_name(records, in, owner, scratch.data() + out, &in);
  }
  const std::size_t tail = at + size - in;
  if (tail != 0) std::memcpy(scratch.data() + out, records + in, tail);
  return {scratch.data(), out + tail};
}

}  // namespace rrset_detail

inline std::uint32_t RRsetView::ttl() const {
  const std::uint8_t* first = chunk_->record_octets() != 0 ? chunk_->records() : chunk_->signatures();
  return load_u32(first + 6);
}

template <typename F>
void RRsetView::for_each_rdata(F&& f) const {
  const std::uint8_t* records = chunk_->records();
  const std::size_t end = chunk_->record_octets();
  const bool compressed = chunk_->patch_count_ != 0;
  Name owner;
  if (compressed) owner = node_owner(node_, apex_);
  const NameView against = compressed ? encoded_against(owner) : NameView();
  std::array<std::uint8_t, 600> scratch;
  for (std::size_t at = 0; at < end;) {
    const std::size_t size = load_u16(records + at + 10);
    const std::size_t rdata = at + rrset_detail::record_header;
    f(compressed ? rrset_detail::expand(type_, records, rdata, size, against, scratch)
                 : ByteView{records + rdata, size});
    at = rdata + size;
  }
}

template <typename F>
void RRsetView::for_each_signature(F&& f) const {
  const std::uint8_t* signatures = chunk_->signatures();
  const std::size_t end = chunk_->signature_octets();
  for (std::size_t at = 0; at < end;) {
    const std::size_t size = load_u16(signatures + at + 10);
    f(load_u32(signatures + at + 6), ByteView{signatures + at + rrset_detail::record_header, size});
    at += rrset_detail::record_header + size;
  }
}

template <typename F>
void Zone::for_each_node(const Zone* other, F&& f) const {
  const bool comparable = other != nullptr && other->base_ == base_ && other->bucket_count_ == bucket_count_;
  constexpr std::uint32_t ahead = 2;  // buckets whose blocks are asked for
  for (std::uint32_t page = 0; page < table_pages(bucket_count_); ++page) {
    if (comparable && other->pages_[page] == pages_[page]) continue;
    const std::uint32_t first = page << buckets_in_page_log2;
    const std::uint32_t end = std::min(first + buckets_in_page, bucket_count_);
    for (std::uint32_t i = first; i < end; ++i) {
      if (i + ahead < end) {
        const NodeBucket& later = bucket(i + ahead);
        for (std::size_t slot = 0; slot < later.count; ++slot) __builtin_prefetch(node_at(later.refs[slot]));
      }
      const NodeBucket& here = bucket(i);
      for (std::size_t slot = 0; slot < here.count; ++slot) f(*node_at(here.refs[slot]));
    }
  }
}

}  // namespace understudy
