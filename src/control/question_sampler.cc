#include "control/question_sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace understudy {
namespace {

constexpr std::string_view blanks = " \t\r";
constexpr std::string_view without_edns = "no-edns";

std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

// What is not asked for: what belongs to other types, or is asked for by negative questions anyway.
bool is_asked_for(RRType type) {
  return type != RRType::RRSIG && type != RRType::NSEC && type != RRType::NSEC3;
}

// A name beside this one that hardly exists: the one behind it in canonical order, or nearly.
std::optional<Name> sibling_of(NameView name) {
  std::array<std::uint8_t, max_label_size> label;
  const ByteView own = name.first_label();
  std::ranges::copy(own, label.begin());
  const std::size_t size = std::min(own.size() + 1, label.size());
  label[size - 1] = size > own.size() || label[size - 1] != '-' ? '-' : 'x';
  const auto made = Name::prepend({label.data(), size}, name.parent());
  return made ? std::optional(*made) : std::nullopt;
}

// Multiples of it, as fractions of 2^64, lie evenly; so do those that are below any bound, whatever their period.
constexpr std::uint64_t golden_ratio = 0x9e37'79b9'7f4a'7c15;

// So many, evenly spread; not every n-th, as the kinds of questions come round with a period of their own.
std::vector<ComparedQuestion> spread(const std::vector<ComparedQuestion>& all, std::size_t count) {
  count = std::min(count, all.size());
  std::vector<ComparedQuestion> chosen;
  chosen.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t begin = i * all.size() / count, end = (i + 1) * all.size() / count;
    chosen.push_back(all[begin + (i * golden_ratio >> 32) % (end - begin)]);
  }
  return chosen;
}

}  // namespace

std::string ComparedQuestion::text() const {
  return fmt::format("{} {}{}{}", name.text(), type_text(type), edns ? "" : " ", edns ? "" : without_edns);
}

Result<void> QuestionSampler::take(std::string_view piece) {
  for (std::size_t end = 0; (end = piece.find('\n')) != std::string_view::npos; piece.remove_prefix(end + 1)) {
    rest_ += piece.substr(0, end);
    US_TRY(take_line(rest_));
    rest_.clear();
  }
  rest_ += piece;
  return {};
}

Result<void> QuestionSampler::take_line(std::string_view line) {
  if (line.empty() || line.front() == ';' || line.front() == '$') return {};
  const std::string_view owner = next_word(line);
  next_word(line);  // TTL
  next_word(line);  // class
  const auto type = type_from_text(next_word(line));
  const auto name = Name::parse(owner);
  if (!name || !type) return fail(Errc::bad_value, fmt::format("not a record: {}", owner.substr(0, 300)));
  if (types_.empty() || owner_ != *name) begin_owner(*name);
  if (has(*type)) return {};
  types_.push_back(*type);
  if (is_asked_for(*type)) add(owner_, *type);
  return {};
}

void QuestionSampler::begin_owner(const Name& owner) {
  if (known_.empty()) {  // the apex comes first
    known_.resize(known_names);
    apex_ = owner;
  }
  add_near_misses();
  owner_ = owner;
  types_.clear();
  know(owner_);
  add_missing_ancestors();
}

bool QuestionSampler::has(RRType type) const {
  return std::ranges::find(types_, type) != types_.end();
}

// Whether it was known, as far as the places go.
bool QuestionSampler::know(NameView name) {
  const std::uint64_t hash = NameHash()(name);
  return std::exchange(known_[hash % known_.size()], hash) == hash;
}

void QuestionSampler::add_missing_ancestors() {
  if (!owner_.view().is_below(apex_)) return;
  for (NameView name = owner_.view().parent(); name.is_below(apex_) && !know(name); name = name.parent()) {
    add(name, RRType::A);
    add_missing_below(name);
  }
}

void QuestionSampler::add_near_misses() {
  if (std::ranges::none_of(types_, is_asked_for)) return;  // the hash of a name, which some servers take for a name
  for (const RRType absent : {RRType::A, RRType::TXT, RRType::SRV}) {
    if (has(absent)) continue;
    add(owner_, absent);
    break;
  }
  add_missing_below(owner_);
  if (!owner_.view().is_below(apex_)) return;
  if (has(RRType::NS) && !has(RRType::DS)) add(owner_, RRType::DS);
  if (const auto beside = sibling_of(owner_)) add(*beside, RRType::A);
}

void QuestionSampler::add_missing_below(NameView name) {
  constexpr std::string_view label = "no-such-name";
  if (const auto below = Name::prepend(view_of(label), name)) add(*below, RRType::A);
}

// When there are twice too many, about every other of them goes.
void QuestionSampler::add(const Name& name, RRType type) {
  const auto is_kept = [&](std::uint64_t number) { return number * golden_ratio <= most_kept_; };
  const std::uint64_t number = seen_++;
  if (!is_kept(number)) return;
  kept_.push_back({name, type});
  numbers_.push_back(number);
  if (kept_.size() < 2 * limit_) return;
  most_kept_ /= 2;
  std::size_t left = 0;
  for (std::size_t i = 0; i < kept_.size(); ++i) {
    if (!is_kept(numbers_[i])) continue;
    kept_[left] = kept_[i];
    numbers_[left++] = numbers_[i];
  }
  kept_.resize(left);
  numbers_.resize(left);
}

std::vector<ComparedQuestion> QuestionSampler::questions() {
  add_near_misses();
  types_.clear();
  std::vector<ComparedQuestion> chosen = spread(kept_, limit_ - limit_ / 8);
  std::vector<ComparedQuestion> plain = spread(chosen, limit_ - chosen.size());
  for (ComparedQuestion& question : plain) {
    question.edns = false;
    chosen.push_back(question);
  }
  return chosen;
}

Result<std::vector<ComparedQuestion>> read_questions(std::string_view text, std::string_view label, NameView zone) {
  std::vector<ComparedQuestion> questions;
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const std::string_view owner = next_word(line);
    if (owner.empty() || owner.front() == '#') continue;
    const auto name = Name::parse(owner, zone);
    const auto type = type_from_text(next_word(line));
    const std::string_view how = next_word(line);
    if (!name || !type || (!how.empty() && how != without_edns) || !next_word(line).empty()) {
      const std::string why =
          !name ? name.error().text()
                : fmt::format("a line is NAME TYPE, such as `www.example. AAAA`, and may end with {}", without_edns);
      return fail(Errc::bad_value, fmt::format("{}:{}: {}", label, number, why));
    }
    questions.push_back({*name, *type, how.empty()});
  }
  return questions;
}

}  // namespace understudy
