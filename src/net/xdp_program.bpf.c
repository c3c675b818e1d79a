// SPDX-License-Identifier: Apache-2.0
//
// Runs in the kernel for each frame that an interface receives: plain queries by UDP to the server's addresses and
// ports go to the socket of their queue, all else goes on to the kernel as if nobody had looked. Only what
// read_udp_frame() (xdp_frame.h) takes too is redirected, but checksums and senders are judged there, where they are
// counted.
//
// None of the helpers is kept for GPL programs, so the licence is the server's.
// The helpers need the types of the first; sorted otherwise, they do not compile.
// clang-format off
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#include "net/xdp_layout.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, US_XDP_MOST_ADDRESSES);
  __type(key, struct us_xdp_v4_key);
  __type(value, __u8);
} v4_addresses SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, US_XDP_MOST_ADDRESSES);
  __type(key, struct us_xdp_v6_key);
  __type(value, __u8);
} v6_addresses SEC(".maps");

// The server sets how many queues there are before it loads this.
struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(map_flags, BPF_F_MMAPABLE);
  __type(key, __u32);
  __type(value, struct us_xdp_counters);
} counters SEC(".maps");

struct vlan_tag {
  __be16 tag;
  __be16 type;  // of what follows
};

static __always_inline int is_tag(__be16 type) {
  return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline int is_for_us_v4(void* at, void* end) {
  struct iphdr* ip = at;
  struct udphdr* udp = (void*)(ip + 1);
  if ((void*)(udp + 1) > end || *(__u8*)at != 0x45 || ip->protocol != IPPROTO_UDP) return 0;
  if (ip->frag_off & bpf_htons(0x3fff)) return 0;  // more fragments, or not the first
  struct us_xdp_v4_key key = {.address = ip->daddr, .port = udp->dest};
  return bpf_map_lookup_elem(&v4_addresses, &key) != 0;
}

static __always_inline int is_for_us_v6(void* at, void* end) {
  struct ipv6hdr* ip = at;
  struct udphdr* udp = (void*)(ip + 1);
  if ((void*)(udp + 1) > end || *(__u8*)at >> 4 != 6 || ip->nexthdr != IPPROTO_UDP) return 0;
  struct us_xdp_v6_key key = {.port = udp->dest};
  __builtin_memcpy(key.address, &ip->daddr, sizeof key.address);
  return bpf_map_lookup_elem(&v6_addresses, &key) != 0;
}

static __always_inline int is_for_us(void* at, void* end) {
  struct ethhdr* ethernet = at;
  if ((void*)(ethernet + 1) > end) return 0;
  if (ethernet->h_dest[0] & 1) return 0;  // to a group of stations
  __be16 type = ethernet->h_proto;
  at = ethernet + 1;
#pragma unroll
  for (int tags = 0; tags < 2; ++tags) {
    struct vlan_tag* tag = at;
    if (!is_tag(type)) break;
    if ((void*)(tag + 1) > end) return 0;
    type = tag->type;
    at = tag + 1;
  }
  if (type == bpf_htons(ETH_P_IP)) return is_for_us_v4(at, end);
  if (type == bpf_htons(ETH_P_IPV6)) return is_for_us_v6(at, end);
  return 0;
}

// What follows is written so that CAP_BPF is enough to load it: without CAP_PERFMON a program may neither subtract
// addresses nor add a number to one that depends on the path, to which the compiler turns two counters in one place.

static __always_inline int pass_of_others(__u32 queue) {
  struct us_xdp_counters* counted = bpf_map_lookup_elem(&counters, &queue);
  if (counted) __sync_fetch_and_add(&counted->passed, 1);
  return XDP_PASS;
}

static __noinline int pass_without_socket(__u32 queue) {
  struct us_xdp_counters* counted = bpf_map_lookup_elem(&counters, &queue);
  if (counted) __sync_fetch_and_add(&counted->without_socket, 1);
  return XDP_PASS;
}

SEC("xdp")
int understudy(struct xdp_md* context) {
  void* at = (void*)(long)context->data;
  void* end = (void*)(long)context->data_end;
  __u32 queue = context->rx_queue_index;
  if (at + US_XDP_LONGEST_FRAME < end || !is_for_us(at, end)) return pass_of_others(queue);
  int action = bpf_redirect_map(&sockets, queue, XDP_PASS);
  return action == XDP_PASS ? pass_without_socket(queue) : action;
}

char licence_name[] SEC("license") = "Apache-2.0";
