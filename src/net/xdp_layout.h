/* What the program in the kernel (xdp_program.bpf.c) and the server share: the maps' keys and values. Both C and C++.
 */
#pragma once

#include <linux/types.h>

/* The longest frame that is taken; frames of the ring have room for it before that of the answer (xdp_socket.h). */
#define US_XDP_LONGEST_FRAME 1728
/* Addresses and ports together: a host with more has its last ones served by sockets. */
#define US_XDP_MOST_ADDRESSES 4096

/* Key of `v4_addresses`: an address and port that the server answers on, in network order. */
struct us_xdp_v4_key {
  __be32 address;
  __be16 port;
  __u16 zero;
};

/* Key of `v6_addresses`. */
struct us_xdp_v6_key {
  __u32 address[4];
  __be16 port;
  __u16 zero;
};

/* Value of `counters`, one a queue, on a cache line of its own. */
struct us_xdp_counters {
  __u64 passed;         /* left to the kernel: not for the server, or nothing that it takes by this way */
  __u64 without_socket; /* for the server, but no socket is bound to the queue: left to the kernel too */
  __u64 unused[6];
};
