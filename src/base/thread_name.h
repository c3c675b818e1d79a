// Names of threads, as `top -H` and /proc show them: whose processor time it is that a server takes. Stateless.
#pragma once

namespace understudy {

/// At most 15 octets; what is longer is not taken.
void name_this_thread(const char* name);

}  // namespace understudy
