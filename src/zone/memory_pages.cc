#include "zone/memory_pages.h"

#include <fstream>

namespace understudy {

std::string huge_page_mode(std::string_view text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']', open);
  if (open == std::string_view::npos || close == std::string_view::npos) return {};
  return std::string(text.substr(open + 1, close - open - 1));
}

std::string huge_page_mode() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(file, line);
  return huge_page_mode(line);
}

std::uint64_t huge_page_octets() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "AnonHugePages:" && file >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace understudy
