/* SPDX-License-Identifier: Apache-2.0 */
/* Every reason for which a packet ends here, and every other counter of a worker. Names are what
 * the user sees. */
#ifndef KS_DROP_H
#define KS_DROP_H

/* X(symbol, name, help) */
#define KS_DROPS(X)                                                                              \
	X(NONE, "none", "not dropped")                                                           \
	X(TRUNCATED, "truncated", "shorter than its headers say")                                \
	X(NOT_FOR_US, "not-for-us", "unicast frame to another MAC")                              \
	X(ETHERTYPE, "ethertype", "no kernel interface to give it to")                           \
	X(IP_HEADER, "ip-header", "version, header length or total length wrong")                \
	X(IP_CSUM, "ip-checksum", "IPv4 header checksum wrong")                                  \
	X(IP_SOURCE, "ip-source", "source address multicast, loopback or our own")               \
	X(L4_HEADER, "l4-header", "transport header cut off or wrong")                           \
	X(L4_CSUM, "l4-checksum", "transport checksum wrong")                                    \
	X(FRAGMENT, "fragment",                                                                  \
	  "fragment whose first one has not been seen, or that cannot be translated")            \
	X(TTL, "ttl", "time to live exceeded")                                                   \
	X(NOT_LOCAL, "not-local", "neither ours nor of a session, and we are no router")         \
	X(QUIESCENT, "expire-quiescent", "session whose real server is gone, ended at once")     \
	X(NO_SERVICE, "no-service", "address is a VIP, but nothing is served there")             \
	X(NO_REAL_SERVER, "no-real-server", "service has no real server with weight")            \
	X(NOT_SYN, "not-syn", "TCP or SCTP without a session that does not start one")           \
	X(SESSION_FULL, "session-full", "session table of the worker is full")                   \
	X(NAT_CLASH, "nat-clash", "client's port is in use to that real server by another VIP")  \
	X(LPORT_EXHAUSTED, "lport-exhausted", "no local port left for that real server")         \
	X(NO_LIP, "no-local-address", "FNAT service without a local address")                    \
	X(NO_ROUTE, "no-route", "no route to the destination")                                   \
	X(NEIGH_FULL, "neighbour-full", "neighbour table or its queue full")                     \
	X(NEIGH_FAILED, "neighbour-failed", "neighbour did not answer")                          \
	X(TOO_BIG, "too-big", "larger than the MTU of the way out")                              \
	X(LOOP, "loop", "would be sent to itself")                                               \
	X(STATE, "tcp-state", "TCP segment its state does not allow")                            \
	X(ICMP_NO_SESSION, "icmp-no-session", "ICMP error about a session that is not here")     \
	X(ICMP_HEADER, "icmp-header", "ICMP cut off or wrong")                                   \
	X(STALE, "stale", "came before a pause of the data plane")                               \
	X(LEASE, "lease", "leased VIP that is not held")                                         \
	X(RING_FULL, "ring-full", "hand-over ring to the other worker full")                     \
	X(KNI_FULL, "kni-full", "kernel interface did not take it")                              \
	X(KNI_POLICED, "kni-policed", "more of its class than main lcore and kernel are to get") \
	X(TX_FULL, "tx-full", "port did not take it")                                            \
	X(NO_BUFFER, "no-buffer", "no packet buffer left")                                       \
	X(UNSUPPORTED, "unsupported", "protocol or form not supported in this mode")             \
	X(ARP_HEADER, "arp-header", "ARP or neighbour discovery message garbled")                \
	X(ARP_NOT_OURS, "arp-not-ours", "ARP request for an address that is not ours")           \
	X(SERVERS_FULL, "servers-full",                                                          \
	  "every real server with weight has as many sessions as it is to have")

enum ks_drop {
#define X(sym, name, help) KS_DROP_##sym,
	KS_DROPS(X)
#undef X
		KS_DROP_COUNT
};

#define KS_COUNTERS(X)                          \
	X(RX_PACKETS, "rx_packets")             \
	X(RX_BYTES, "rx_bytes")                 \
	X(TX_PACKETS, "tx_packets")             \
	X(TX_BYTES, "tx_bytes")                 \
	X(KNI_PACKETS, "kni_packets")           \
	X(MAIN_PACKETS, "main_packets")         \
	X(HANDED_OUT, "handed_out")             \
	X(HANDED_IN, "handed_in")               \
	X(SESSIONS, "sessions")                 \
	X(SESSIONS_CREATED, "sessions_created") \
	X(SESSIONS_EXPIRED, "sessions_expired") \
	X(SESSIONS_REUSED, "sessions_reused")   \
	X(SESSIONS_EVICTED, "sessions_evicted") \
	X(PROBES_SENT, "probes_sent")           \
	X(FRAGMENTS_MADE, "fragments_made")     \
	X(RST_SENT, "rst_sent")                 \
	X(ICMP_SENT, "icmp_sent")               \
	X(ECHO_ANSWERED, "echo_answered")       \
	X(CYCLES_BUSY, "cycles_busy")           \
	X(CYCLES_IDLE, "cycles_idle")           \
	X(POLLS, "polls")                       \
	X(POLLS_EMPTY, "polls_empty")           \
	X(SLEEPS, "sleeps")

enum ks_counter {
#define X(sym, name) KS_C_##sym,
	KS_COUNTERS(X)
#undef X
		KS_C_DROP_FIRST,
	KS_C_COUNT = KS_C_DROP_FIRST + KS_DROP_COUNT
};

#endif
