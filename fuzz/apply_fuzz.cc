// Changes to zones: arbitrary differences, applied to a version one after the other, lead to the version that is built
// from the records that then should be there, or are refused where they do not fit; the way back leads back.
//
// Input: a run of steps, each an octet that says what, an octet of owner labels, an octet that selects the type, one
// for the size of the RDATA, and the RDATA (zone_fuzz has the same names and types). What: 0 the record goes, 1 it
// comes, 2 a record that is there goes (the owner octet says which), 3 the difference ends. The zone begins with its
// apex alone; in every other one, by the size of the input, that is the first of a chain of NSEC3 records, which bit 6
// of the owner octet goes on with.
#include <cstddef>
#include <cstdint>
#include <span>

#include "answering_side.h"
#include "dns/rdata.h"
#include "small_zone.h"
#include "zone/apply.h"
#include "zone/builder.h"

namespace {

using namespace understudy;
using namespace fuzzing::small_zone;

constexpr std::size_t most_changes = 400;
constexpr std::uint32_t ttl = 60;

bool same(const Record& a, const Record& b) {
  if (a.owner != b.owner || a.type != b.type) return false;
  Bytes left, right;
  append_canonical_rdata(a.type, a.rdata, left);
  append_canonical_rdata(b.type, b.rdata, right);
  return left == right;
}

// What should be there, and what the next difference does to it.
class Model {
 public:
  explicit Model(bool with_nsec3) { add_apex(records_, with_nsec3); }
  [[nodiscard]] const std::vector<Record>& records() const { return records_; }

  void remove(const Record& record) { removed_.push_back(record); }
  void add(const Record& record) { added_.push_back(record); }

  // The difference up to here. `fits` says whether it may be applied; if not, nothing has changed.
  DeltaPtr step(bool& fits) {
    ZoneDeltaBuilder out(apex());
    Record soa = records_.front();
    removed_.insert(removed_.begin(), soa);
    store_u32(&soa.rdata[2], load_u32(&soa.rdata[2]) + 1);
    added_.insert(added_.begin(), soa);
    std::vector<Record> after = records_;
    fits = true;
    for (const Record& r : removed_) {
      out.remove(r.owner, r.type, ttl, r.rdata);
      const auto at = std::find_if(after.begin(), after.end(), [&](const Record& known) { return same(known, r); });
      if (at == after.end()) {
        fits = false;
      } else {
        after.erase(at);
      }
    }
    for (const Record& r : added_) {
      out.add(r.owner, r.type, ttl, r.rdata);
      // There may be one alias at a name: of several the first counts, and a difference has no order.
      const bool is_alias = r.type == RRType::CNAME || r.type == RRType::DNAME;
      const auto is_in_the_way = [&](const Record& known) {
        return same(known, r) || (is_alias && known.type == r.type && known.owner == r.owner);
      };
      if (std::any_of(after.begin(), after.end(), is_in_the_way)) fits = false;
      after.push_back(r);
    }
    const auto is_ns = [](const Record& r) { return r.type == RRType::NS && r.owner == apex(); };
    if (std::none_of(after.begin(), after.end(), is_ns)) fits = false;
    if (fits) {
      // The SOA to the front, where it is looked for; the others stay in the order in which they came.
      const auto at = std::find_if(after.begin(), after.end(), [&](const Record& r) { return same(r, soa); });
      std::rotate(after.begin(), at, at + 1);
      records_ = std::move(after);
    }
    removed_.clear();
    added_.clear();
    return out.finish().value();
  }

 private:
  std::vector<Record> records_, removed_, added_;
};

std::shared_ptr<const Zone> build(const std::vector<Record>& records, std::size_t slack) {
  ZoneBuilder builder(apex(), {.slack = slack, .first_sets = 0});
  for (const Record& r : records) {
    if (!builder.add(r.owner, r.type, ttl, r.rdata)) fuzzing::give_up("add");
  }
  return builder.finish().value();
}

std::vector<Name> owners(const OwnerTree& tree, const Zone& zone) {
  std::vector<Name> out;
  tree.for_each([&](const Node& node) { out.push_back(zone.owner_of(&node).lowered()); });
  return out;
}

void demand_same(const Zone& made, const Zone& expected) {
  if (made.record_count() != expected.record_count()) fuzzing::give_up("record_count()");
  if (made.node_count() != expected.node_count()) fuzzing::give_up("node_count()");
  const std::uint64_t apex_hash = name_hash(apex());
  expected.for_each_node(nullptr, [&](const Node& node) {
    const Node* found = made.find_like(node, node_hash(&node, apex_hash));
    if (found == nullptr) fuzzing::give_up("a name is missing");
    if (found->flags_only() != node.flags_only()) fuzzing::give_up("flags");
    if (found->children() != node.children()) fuzzing::give_up("names below");
  });
  if (made.denial() != expected.denial()) fuzzing::give_up("denial");
  if (owners(made.nsec_names(), made) != owners(expected.nsec_names(), expected)) fuzzing::give_up("names with NSEC");
  if (owners(made.nsec3_names(), made) != owners(expected.nsec3_names(), expected)) fuzzing::give_up("NSEC3 chain");
}

// One difference, applied to both kinds of versions.
void change(std::shared_ptr<const Zone>& shared, std::shared_ptr<const Zone>& own, Model& model) {
  bool fits = false;
  const DeltaPtr delta = model.step(fits);
  const auto next = apply_deltas(shared, {&delta, 1});
  const auto next_own = apply_deltas(own, {&delta, 1});
  if (next.has_value() != fits || next_own.has_value() != fits) fuzzing::give_up(fits ? "refused" : "not refused");
  if (!fits) return;
  const auto expected = build(model.records(), 0);
  const auto lines = content(expected);
  for (const auto& made : {*next, *next_own}) {
    if (content(made) != lines) fuzzing::give_up("other records than there should be");
    demand_same(*made, *expected);
  }
  const auto found = difference(shared, *next);
  const auto again = apply_deltas(shared, {&*found, 1});
  if (!again || content(*again) != lines) fuzzing::give_up("the difference leads elsewhere");
  const DeltaPtr back = inverse(apex(), **found);
  const auto before = apply_deltas(*next, {&back, 1});
  if (!before || content(*before) != content(shared)) fuzzing::give_up("the way back leads elsewhere");
  demand_same(**before, *own);
  shared = *next;
  own = *next_own;
}

void ask(const std::shared_ptr<const Zone>& zone, const std::vector<Record>& records) {
  fuzzing::AnsweringSide side;
  side.add(apex(), records, zone);
  for (unsigned owner = 0; owner < 64; ++owner) {
    Bytes out(600);
    MessageWriter writer(out, out.size());
    writer.set_header(1, 0);
    writer.add_question(name_of(static_cast<std::uint8_t>(owner)), types[(owner * 7 + records.size()) % types.size()],
                        RRClass::IN);
    writer.add_opt(1232, Rcode::NOERROR, true, {});
    out.resize(writer.size());
    side.ask(out);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Model model(size % 2 != 0);
  auto shared = build(model.records(), 1 << 16), own = build(model.records(), 0);
  ByteReader in({data, size});
  std::size_t changes = 0;
  for (; in.remaining() >= 4 && changes < most_changes; ++changes) {
    const unsigned what = in.u8() % 4;
    const std::uint8_t owner = in.u8(), type = in.u8();
    const ByteView rdata = in.bytes(std::min<std::size_t>(in.u8(), in.remaining()));
    if (what == 3) {
      change(shared, own, model);
    } else if (what == 2) {
      const auto& records = model.records();
      if (owner % records.size() != 0) model.remove(records[owner % records.size()]);  // the SOA goes by itself
    } else {
      const Name at = name_of(owner & 0x3f);
      const RRType fitting = fitting_type(type, rdata);
      if (fitting == RRType::SOA && at == apex()) continue;
      const Record record = (owner & 0x40) != 0
                                ? Record{hashed(at), RRType::NSEC3, RRClass::IN, ttl, nsec3_rdata(rdata)}
                                : Record{at, fitting, RRClass::IN, ttl, Bytes(rdata.begin(), rdata.end())};
      what == 0 ? model.remove(record) : model.add(record);
    }
  }
  change(shared, own, model);
  ask(shared, model.records());
  return 0;
}
