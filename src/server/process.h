// The process among others: the user it runs as, and what systemd is told.
#pragma once

#include <string>

#include "base/result.h"

namespace understudy {

/// Becomes `user` and its groups, for good; `directory` is made and given to it first if it does not exist. Only root
/// can.
Result<void> become_user(const std::string& user, const std::string& directory);

/// Sends one state line ("READY=1") to the service manager, if there is one (sd_notify(3) protocol).
void notify_service_manager(const std::string& state);

/// Allows as many open files as the system does; the default of many shells is too low for thousands of connections.
void raise_file_limit();

}  // namespace understudy
