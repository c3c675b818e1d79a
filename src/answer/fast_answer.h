// Answers plain queries by copying chunks (zone/layout.h) behind the question. What would need composing - DNAME,
// chains of more than one CNAME, wildcard CNAMEs, RRsets no message can hold - is left to SlowAnswer.
//
// Layout of an answer: header | question as asked | chunk | authority or additional chunks | OPT.
// Compression pointers: a chunk's own stay right when it lies directly behind a question that is its owner; otherwise
// copy_chunk() shifts them (patches) and gives the records another owner.
#pragma once

#include <cstdint>
#include <span>

#include "answer/denial.h"
#include "answer/environment.h"
#include "answer/lookup.h"
#include "answer/query.h"
#include "base/bytes.h"
#include "zone/zone.h"
#include "zone/zone_table.h"

namespace understudy {

/// Where and how a chunk is copied.
struct ChunkPlace {
  std::size_t at;          // offset in the message
  std::uint16_t owner;     // pointer that the records get, 0xC00C for the question's name itself
  int question_shift;      // how much longer the question's name is than what the chunk is encoded against
  std::size_t owner_size;  // octets of that: the chunk's owner, or the apex for a shared set
  bool signatures;         // with RRSIGs
};

/// Octets that the chunk takes.
inline std::size_t chunk_size(const Chunk& chunk, bool signatures) {
  return std::size_t{chunk.record_octets_} + (signatures ? chunk.signature_octets_ : 0);
}
/// Copies a chunk into a message; false if it is extended or its pointers would reach too far: compose it instead.
bool copy_chunk(std::uint8_t* message, const Chunk& chunk, const ChunkPlace& place);

/// Hashes of the first names in `found`'s chunk whose addresses the answer will want, so that they can be asked for
/// ahead; returns how many.
std::size_t target_hashes(NameView apex, const PlainQuery& plain, const Lookup& found, std::span<std::uint64_t> out);

/// The answer of `zone` (the one `table` has closest to the name), which says `found` and proves it by `proof`, to a
/// plain query. `targets` are target_hashes() of `found`, or none. `response` has room for `limit` octets, at least
/// 512; returns the response's size, or 0 if the query must go the slow way. `options` go into the OPT record, if the
/// query has one; the reporting channel follows them where there is room. `truncated` is set if TC was.
std::size_t fast_answer(const ZoneTable& table, const Zone& zone, const Lookup& found, const Proof& proof,
                        std::span<const std::uint64_t> targets, ByteView query, const PlainQuery& plain,
                        std::uint8_t* response, std::size_t limit, const AnswerSettings& settings, ByteView options,
                        bool& truncated);

}  // namespace understudy
