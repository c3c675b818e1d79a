#include "app/compare_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace understudy {
namespace {

using json = nlohmann::ordered_json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json json_of(const ComparedQuestion& question) {
  return {{"name", question.name.text()}, {"type", type_text(question.type)}, {"edns", question.edns}};
}

json json_of(const std::optional<std::uint32_t>& ttl) {
  return ttl ? json(*ttl) : json();
}

json json_of(const std::vector<Difference>& differences) {
  json out = json::array();
  for (const Difference& d : differences) {
    json row = {{"what", d.what}};
    if (d.kind == Difference::Kind::value) {
      row["here"] = d.here;
      row["there"] = d.there;
    } else if (d.kind == Difference::Kind::proof) {
      row["here"] = d.here.empty() ? json() : json(d.here);
      row["there"] = d.there.empty() ? json() : json(d.there);
    } else {
      row["record"] = d.record;
      row["ttl_here"] = json_of(d.ttl_here);
      row["ttl_there"] = json_of(d.ttl_there);
    }
    out.push_back(std::move(row));
  }
  return out;
}

json json_of(const CompareSerials& serials) {
  return {{"before", serials.before}, {"after", serials.after ? json(*serials.after) : json()}};
}

std::string serial_text(const Result<std::uint32_t>& serial) {
  return serial ? std::to_string(*serial) : serial.error().text();
}

bool is_steady(const CompareSerials& here, const CompareSerials& there) {
  return here.after && there.after && here.before == there.before && here.before == *here.after &&
         there.before == *there.after;
}

}  // namespace

void CompareReport::begin(const CompareSubject& subject, std::uint32_t serial_here, std::uint32_t serial_there) {
  if (as_json_) {
    json head = {{"zone", subject.zone},
                 {"here", subject.here},
                 {"there", subject.there},
                 {"primary", subject.primary.empty() ? json() : json(subject.primary)},
                 {"possible_questions", subject.possible ? json(*subject.possible) : json()}};
    std::string text = dump(head);
    text.pop_back();  // more members follow
    fmt::print(out_, "{},\"questions\":[", text);
    return;
  }
  fmt::print(out_, "here {}, there {}{}, serial {} here, {} there\n", subject.here, subject.there,
             subject.primary.empty() ? "" : " (" + subject.primary + ")", serial_here, serial_there);
  if (subject.possible && subject.chosen < *subject.possible) {
    fmt::print(out_, "{} of {} possible questions; more with --limit\n", subject.chosen, *subject.possible);
  }
}

void CompareReport::add(const ComparedQuestion& question, const Comparison& found) {
  if (found.differences.empty() && found.proofs.empty()) return;
  if (as_json_) {
    json row = json_of(question);
    row["differences"] = json_of(found.differences);
    row["proofs"] = json_of(found.proofs);
    return add_json(dump(row));
  }
  fmt::print(out_, "{}\n", question.text());
  for (const Difference& d : found.differences) fmt::print(out_, "  {}\n", d.text());
  for (const Difference& d : found.proofs) fmt::print(out_, "  no difference: {}\n", d.text());
}

void CompareReport::add_unanswered(const ComparedQuestion& question, const std::string& why) {
  if (!as_json_) return fmt::print(out_, "{}\n  {}\n", question.text(), why);
  json row = json_of(question);
  row["error"] = why;
  add_json(dump(row));
}

void CompareReport::add_json(const std::string& question) {
  fmt::print(out_, "{}\n  {}", is_first_ ? "" : ",", question);
  is_first_ = false;
}

void CompareReport::end(const CompareOutcome& outcome, const CompareSerials& here, const CompareSerials& there) {
  const bool steady = is_steady(here, there);
  if (as_json_) {
    const json tail = {{"asked", outcome.asked},
                       {"same", outcome.same},
                       {"different", outcome.different},
                       {"ttl_only", outcome.ttl_only},
                       {"unanswered", outcome.unanswered},
                       {"other_proofs", outcome.proof_apart},
                       {"serial_here", json_of(here)},
                       {"serial_there", json_of(there)},
                       {"steady", steady}};
    return fmt::print(out_, "{}],{}\n", is_first_ ? "" : "\n", dump(tail).substr(1));
  }
  fmt::print(out_, "{} asked: {} the same, {} different, {} with other TTLs only, {} without an answer\n",
             outcome.asked, outcome.same, outcome.different, outcome.ttl_only, outcome.unanswered);
  if (outcome.proof_apart > 0) {
    fmt::print(out_, "{} absences are proved by other NSEC or NSEC3 records than there, which is no difference\n",
               outcome.proof_apart);
  }
  if (!steady) {
    fmt::print(out_,
               "the versions were not the same all the time (serial {} here, {} there before, serial {} here, {} there "
               "after): differences may be of versions, compare again\n",
               here.before, there.before, serial_text(here.after), serial_text(there.after));
  }
}

}  // namespace understudy
