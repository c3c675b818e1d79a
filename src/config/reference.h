// Documents made from the schema, so that they cannot say anything else than the parser does. Pure functions.
#pragma once

#include <string>

namespace understudy {

/// doc/manual/reference.md: every option with type, default, and whether a reload applies it.
std::string reference_manual();
/// doc/manual/understudy.schema.json: JSON Schema (2020-12) of the configuration, for editors.
std::string configuration_json_schema();

}  // namespace understudy
