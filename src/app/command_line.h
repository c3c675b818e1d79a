// The verbs and options of the program `understudy`. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/compare.h"
#include "control/cli.h"

namespace understudy {

struct CommandLine {
  std::string socket, config;
  std::vector<std::string> name_files;  // with names of zones; "-" is standard input
  CompareRequest compare;               // of the command `compare`
  CliRequest request;                   // "-" among its zones: standard input, too
};

/// Fills `line`. An exit status if there is nothing more to do: help was shown (0), or the usage is wrong (2), which
/// was said.
std::optional<int> parse_command_line(int argc, char** argv, CommandLine& line);

}  // namespace understudy
