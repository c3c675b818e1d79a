// What the data of a name may have that is kept, but is worth a warning.
#pragma once

#include "zone/builder.h"

namespace understudy {

/// One bit for each oddity of the name.
unsigned oddities_of(const Node& node);
/// Puts them into the report.
void note_oddities(ZoneBuilder::Report& report, NameView name, unsigned oddities);

}  // namespace understudy
