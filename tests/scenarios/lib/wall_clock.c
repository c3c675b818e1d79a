// Stands before a server's C library (LD_PRELOAD) and moves its wall clock by the seconds that the file WALL_CLOCK_OFFSET
// holds at the moment (a 64-bit number). Monotonic clocks and timers stay the machine's.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* offset;  // null: none

__attribute__((constructor)) static void begin(void) {
  const char* path = getenv("WALL_CLOCK_OFFSET");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) abort();
  void* content = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (content == MAP_FAILED) abort();
  offset = content;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  if (syscall(SYS_clock_gettime, clock, now) != 0) return -1;
  const int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
  if (is_wall && offset != NULL) now->tv_sec += *offset;
  return 0;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  struct timespec exact;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec exact;
  if (clock_gettime(CLOCK_REALTIME, &exact) != 0) return -1;
  if (out != NULL) *out = exact.tv_sec;
  return exact.tv_sec;
}
