#include "server/process.h"

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>

#include "server_fixture.h"

namespace understudy {
namespace {

/// The exit status of `work` in a process of its own, where it may change what cannot be changed back.
int in_child(const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) _exit(work());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ServiceManagerTest, IsToldTheState) {
  const Folder folder;
  const ServiceManager manager(folder / "notify");
  notify_service_manager("READY=1");
  EXPECT_EQ(manager.next(), "READY=1");
}

TEST(ServiceManagerTest, MayHaveAnAbstractName) {
  const ServiceManager manager("understudy-test-" + std::to_string(getpid()), true);
  notify_service_manager("STOPPING=1");
  EXPECT_EQ(manager.next(), "STOPPING=1");
}

TEST(ServiceManagerTest, IsNotNeeded) {
  unsetenv("NOTIFY_SOCKET");
  notify_service_manager("READY=1");
  for (const auto& path : {std::string("/nonexistent/socket"), std::string(500, 'x'), std::string()}) {
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    notify_service_manager("READY=1");
  }
  unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManagerTest, ThatHangsDoesNotHangUs) {
  const Folder folder;
  const ServiceManager manager(folder / "notify");
  UniqueFd filler(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (folder / "notify").copy(address.sun_path, sizeof address.sun_path - 1);
  while (sendto(filler.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address) == 1) continue;
  const auto begun = std::chrono::steady_clock::now();
  notify_service_manager("READY=1");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

volatile std::sig_atomic_t caught = 0;

TEST(SignalHoldTest, SignalsWaitUntilTheRelease) {
  caught = 0;
  const auto before = std::signal(SIGUSR1, [](int) { caught = caught + 1; });
  {
    SignalHold hold({SIGUSR1});
    ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    EXPECT_EQ(caught, 0);
    hold.release();
    EXPECT_EQ(caught, 1);
    hold.release();
    ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    EXPECT_EQ(caught, 2);
  }
  {
    const SignalHold hold({SIGUSR1});
    ASSERT_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    EXPECT_EQ(caught, 2);
  }
  EXPECT_EQ(caught, 3) << "destruction releases, too";
  std::signal(SIGUSR1, before);
}

TEST(SignalHoldTest, ThreadsInheritIt) {
  const SignalHold hold({SIGUSR1, SIGUSR2});
  sigset_t seen;
  std::thread([&] { pthread_sigmask(SIG_BLOCK, nullptr, &seen); }).join();
  EXPECT_EQ(sigismember(&seen, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&seen, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&seen, SIGTERM), 0);
}

TEST(FileLimit, IsRaisedToWhatTheSystemAllows) {
  EXPECT_EQ(in_child([] {
              rlimit limit{};
              getrlimit(RLIMIT_NOFILE, &limit);
              limit.rlim_cur = 64;
              setrlimit(RLIMIT_NOFILE, &limit);
              raise_file_limit();
              getrlimit(RLIMIT_NOFILE, &limit);
              return limit.rlim_cur == limit.rlim_max ? 0 : 1;
            }),
            0);
}

TEST(StandardFiles, AreOpenedWhereTheyAreClosed) {
  EXPECT_EQ(in_child([] {
              close(STDIN_FILENO);
              close(STDERR_FILENO);
              const int next = dup(STDOUT_FILENO);  // takes 0
              open_standard_files();
              const int after = dup(STDOUT_FILENO);
              if (next != STDIN_FILENO) return 1;
              if (write(STDERR_FILENO, "x", 1) != 1) return 2;
              return after > STDERR_FILENO ? 0 : 3;
            }),
            0);
}

TEST(Directories, AreMadeWhereTheyAreMissing) {
  const Folder folder;
  make_directory_of(folder / "run/understudy/control.sock", "");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "run/understudy"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/understudy/control.sock"));
  make_directory_of(folder / "run/understudy/control.sock", "");
  make_directory_of("control.sock", "");
  folder.write("file", "");
  make_directory_of(folder / "file/x/control.sock", "");
  EXPECT_FALSE(std::filesystem::is_directory(folder / "file"));
}

TEST(Users, MustExist) {
  const Folder folder;
  for (const auto& result : {act_as_user("no-such-user-here", folder / "d"), become_user("no-such-user-here")}) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().detail, "server.user: there is no user no-such-user-here");
  }
}

TEST(Users, OurselvesIsNoChange) {
  const passwd* me = getpwuid(getuid());
  ASSERT_NE(me, nullptr);
  const std::string name = me->pw_name;
  EXPECT_TRUE(act_as_user(name, "/nonexistent"));
  EXPECT_TRUE(become_user(name));
  EXPECT_EQ(geteuid(), getuid());
}

TEST(Users, RootBecomesAnother) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can change who it is";
  const passwd* other = getpwnam("nobody");
  ASSERT_NE(other, nullptr);
  const uid_t uid = other->pw_uid;
  const Folder folder;
  const std::string directory = folder / "store";
  EXPECT_EQ(in_child([&] {
              if (!act_as_user("nobody", directory) || geteuid() != uid || getuid() != 0) return 1;
              act_as_root();
              if (geteuid() != 0) return 2;
              make_directory_of(folder / "run/control.sock", "nobody");
              if (!become_user("nobody") || getuid() != uid || geteuid() != uid) return 3;
              if (setuid(0) == 0 || seteuid(0) == 0) return 4;
              return 0;
            }),
            0);
  for (const auto& made : {directory, folder / "run"}) {
    struct stat status{};
    ASSERT_EQ(stat(made.c_str(), &status), 0);
    EXPECT_EQ(status.st_uid, uid) << made;
  }
}

}  // namespace
}  // namespace understudy
