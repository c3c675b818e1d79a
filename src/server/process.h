// The process among others: the user it runs as, and what systemd is told.
#pragma once

#include <csignal>
#include <initializer_list>
#include <string>

#include "base/result.h"

namespace understudy {

/// Makes the directory in which `path` is to lie, if it is missing, and gives it to `user` (empty: leaves it as it is).
/// What goes wrong shows when the path is used.
void make_directory_of(const std::string& path, const std::string& user);

/// Acts as `user` until act_as_root() or become_user(), so that files opened meanwhile are its own; `directory` is made
/// and given to it if it does not exist. Only root can; nothing happens if we are that user already.
Result<void> act_as_user(const std::string& user, const std::string& directory);
/// Back to root for a while, to bind privileged ports.
void act_as_root();
/// Becomes `user` and its groups for good.
Result<void> become_user(const std::string& user);

/// Holds signals back from this thread, and from those that it starts, until release() or destruction. So they arrive
/// only when somebody is there to act on them, and interrupt no other thread.
class SignalHold {
 public:
  explicit SignalHold(std::initializer_list<int> signals);
  ~SignalHold() { release(); }
  SignalHold(const SignalHold&) = delete;
  SignalHold& operator=(const SignalHold&) = delete;
  /// In the thread that made it. May be called twice.
  void release();

 private:
  sigset_t before_{};
  bool held_ = true;
};

/// Sends one state line ("READY=1") to the service manager, if there is one (sd_notify(3) protocol).
void notify_service_manager(const std::string& state);

/// Opens /dev/null for standard input, output and error where they are closed, so that no file or socket of ours gets a
/// number to which logs are written.
void open_standard_files();

/// Allows as many open files as the system does; the default of many shells is too low for thousands of connections.
void raise_file_limit();

}  // namespace understudy
