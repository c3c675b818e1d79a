#include "base/thread_name.h"

#include <pthread.h>

namespace understudy {

void name_this_thread(const char* name) {
  (void)::pthread_setname_np(::pthread_self(), name);  // a thread without its name works all the same
}

}  // namespace understudy
