// How the command line shows rows of the control protocol to people: as a line of a table, or as a page of text. What
// a row lacks is shown as a dash, and control characters in it as question marks. Pure functions.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace understudy {

/// A listing whose rows are the lines of one table.
struct TableForm {
  std::string_view command;
  std::vector<std::string> header;
  std::vector<std::string> (*columns)(const nlohmann::ordered_json& row);
};
/// Null if the command's rows are no table.
const TableForm* table_form(std::string_view command);

/// A row of the other commands, with its line ends.
std::string page_text(std::string_view command, const nlohmann::ordered_json& row);

/// A member as text.
std::string member_text(const nlohmann::ordered_json& row, const char* key);

}  // namespace understudy
