#include "control/server_control.h"

#include "dns/text_case.h"

namespace understudy {
namespace {

std::string_view without_final_dot(std::string_view name) {
  return name.size() > 1 && name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

bool same(char pattern, char octet) {
  return pattern == '?' || equal_without_case({&pattern, 1}, {&octet, 1});
}

}  // namespace

bool name_matches(std::string_view pattern, std::string_view name) {
  pattern = without_final_dot(pattern);
  name = without_final_dot(name);
  std::size_t at = 0, in_name = 0;
  std::size_t star = std::string_view::npos, star_in_name = 0;  // to go back to: the last star takes one octet more
  while (in_name < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      star_in_name = in_name;
    } else if (at < pattern.size() && same(pattern[at], name[in_name])) {
      ++at;
      ++in_name;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_name = ++star_in_name;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

bool ZoneFilter::matches(const ZoneRow& row) const {
  return (state.empty() || row.state == state) && (pattern.empty() || name_matches(pattern, row.name.text()));
}

}  // namespace understudy
