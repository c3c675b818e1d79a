// The process among others: the user it runs as, and what systemd is told.
#pragma once

#include <string>

#include "base/result.h"

namespace understudy {

/// Acts as `user` until act_as_root() or become_user(), so that files opened meanwhile are its own; `directory` is made
/// and given to it if it does not exist. Only root can; nothing happens if we are that user already.
Result<void> act_as_user(const std::string& user, const std::string& directory);
/// Back to root for a while, to bind privileged ports.
void act_as_root();
/// Becomes `user` and its groups for good.
Result<void> become_user(const std::string& user);

/// Sends one state line ("READY=1") to the service manager, if there is one (sd_notify(3) protocol).
void notify_service_manager(const std::string& state);

/// Allows as many open files as the system does; the default of many shells is too low for thousands of connections.
void raise_file_limit();

}  // namespace understudy
