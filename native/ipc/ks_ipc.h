/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract between the controller and the data plane: one AF_UNIX SOCK_SEQPACKET connection,
 * one message a packet.
 *
 * Integers are in host order (little-endian on every supported machine; the hello carries a check),
 * addresses and ports are in network order, as on the wire. IPv4 addresses stand in the first 4
 * bytes of a 16-byte field, the rest zero. Strings are NUL-terminated and zero-padded. Every
 * structure is a multiple of 4 bytes and has no hidden padding (asserted below); the TypeScript
 * codec in src/dataplane/codec.ts has the same fields in the same order.
 *
 * Flow: HELLO -> HELLO_ACK (with the counters' memory as SCM_RIGHTS descriptor), then any number of
 *   BEGIN, OPS..., COMMIT -> ACK      one generation: all or nothing
 *   LEASE, GARP, SESSIONS, ...        single requests, each answered by a message with the same seq
 * and EVENT messages from the data plane at any time (seq 0). Several clients may be connected; one
 * generation is open at a time (a second BEGIN is answered by ACK with KS_E_BUSY). A client that
 * goes away drops its open generation. A refused op is told by the ACK of COMMIT. The messages of a
 * generation may all have one seq: then one ACK with it comes, whatever was refused.
 */
#ifndef KS_IPC_H
#define KS_IPC_H

#include <assert.h>
#include <stdint.h>

#define KS_IPC_MAGIC   0x534bu /* "KS" */
#define KS_IPC_VERSION 2u
#define KS_IPC_MAX_MSG 65536u
#define KS_IPC_ENDIAN  0x01020304u

#define KS_DEV_NAME    16
#define KS_REASON_LEN  160

enum ks_msg_type {
	KS_MSG_HELLO = 1,
	KS_MSG_HELLO_ACK = 2,
	KS_MSG_BEGIN = 3,
	KS_MSG_OPS = 4,
	KS_MSG_COMMIT = 5,
	KS_MSG_ABORT = 6,
	KS_MSG_ACK = 7,
	KS_MSG_LEASE = 8,
	KS_MSG_GARP = 9,
	KS_MSG_SESSIONS = 10,
	KS_MSG_SESSIONS_ACK = 11,
	KS_MSG_EVENT = 12,
	KS_MSG_SHUTDOWN = 13,
	KS_MSG_PING = 14,
	KS_MSG_LIST = 15,
	KS_MSG_LIST_ACK = 16,
	KS_MSG_LEASE_ACK = 17,
};

struct ks_msg {
	uint16_t magic;
	uint8_t version;
	uint8_t type; /* enum ks_msg_type */
	uint32_t seq; /* chosen by the requester, copied into the answer */
	uint32_t len; /* of the body that follows */
	uint32_t reserved;
};
static_assert(sizeof(struct ks_msg) == 16, "wire size");

/* Status of an ACK. */
enum ks_status {
	KS_OK = 0,
	KS_E_MALFORMED = 1, /* a message or op that does not parse */
	KS_E_BUSY = 2, /* another client's generation is open */
	KS_E_BASE = 3, /* BEGIN named a base that is not the current generation */
	KS_E_INVALID = 4, /* an op that cannot be applied: reason and op_index tell */
	KS_E_NO_MEMORY = 5,
	KS_E_NOT_FOUND = 6,
	KS_E_STATE = 7, /* message out of order (OPS without BEGIN ...) */
	KS_E_UNSUPPORTED = 8,
};

struct ks_hello {
	uint32_t endian; /* KS_IPC_ENDIAN */
	uint32_t pid;
	char name[32]; /* of the client: controller, vrrp, supervisor ...; logged */
};
static_assert(sizeof(struct ks_hello) == 40, "wire size");

struct ks_hello_ack {
	uint32_t endian;
	uint32_t pid;
	uint64_t boot_id; /* random at each start of the data plane */
	uint64_t generation; /* current; 0 = nothing was ever committed */
	uint64_t digest; /* the controller's own digest of the state of that generation, as given at
			    COMMIT */
	uint32_t workers;
	uint32_t ports;
	uint32_t shm_size; /* bytes of the counters' memory, the descriptor that comes with this
			      message */
	uint32_t reserved;
	char version[32];
};
static_assert(sizeof(struct ks_hello_ack) == 80, "wire size");

struct ks_begin {
	uint64_t base; /* generation the ops are a difference to; 0 = start from an empty state and
			  name all of it */
};

struct ks_commit {
	uint64_t generation; /* > current, chosen by the client */
	uint64_t digest; /* opaque, handed back at HELLO so that a restarted controller knows what
			    it finds */
	uint32_t ops; /* number of ops sent since BEGIN; a mismatch rejects the generation */
	uint32_t reserved;
};

struct ks_ack {
	uint64_t generation; /* current after this message */
	uint32_t status; /* enum ks_status */
	uint32_t op_index; /* of the op that was refused, counted from 0 since BEGIN; UINT32_MAX if
			      none */
	char reason[KS_REASON_LEN];
};
static_assert(sizeof(struct ks_ack) == 176, "wire size");

/*
 * Answer for these addresses, flagged KS_ADDR_LEASED in the current generation, for so long from
 * the moment this was sent. Without a lease an address is not answered for, whatever the generation
 * says. A lease survives generations that keep its address and ends with the one that drops it.
 * Answered by LEASE_ACK, one state for each address in the order of the request.
 */
struct ks_lease {
	uint32_t ms; /* 0 = stop at once, KS_LEASE_QUERY = change nothing */
	uint32_t count; /* addresses that follow; 0 only with ms = 0: all leased ones */
};
static_assert(sizeof(struct ks_lease) == 8, "wire size");

#define KS_LEASE_QUERY UINT32_MAX

struct ks_lease_addr {
	char dev[KS_DEV_NAME];
	uint8_t af; /* 4 or 6 */
	uint8_t reserved[3];
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_lease_addr) == 36, "wire size");

/* KS_E_MALFORMED when the request cannot be read; then nothing was changed and no states follow. */
struct ks_lease_ack {
	uint32_t count;
	uint32_t status; /* enum ks_status of the request as a whole */
	/* count states follow */
};
static_assert(sizeof(struct ks_lease_ack) == 8, "wire size");

struct ks_lease_state {
	uint32_t status; /* KS_OK; KS_E_NOT_FOUND = not leased in the current generation */
	uint32_t left_ms; /* 0 = not held */
	uint32_t renewed_ms_ago; /* when the request came; UINT32_MAX = never, or given up since */
};
static_assert(sizeof(struct ks_lease_state) == 12, "wire size");

/* Send one gratuitous ARP (request form, target hardware address broadcast) or unsolicited NA. */
struct ks_garp {
	char dev[KS_DEV_NAME];
	uint8_t af; /* 4 or 6 */
	uint8_t repeat;
	uint16_t reserved;
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_garp) == 36, "wire size");

struct ks_shutdown {
	uint32_t drain_ms; /* 0 = at once */
	uint32_t reserved;
};

/* ---- ops ------------------------------------------------------------------------------------------------------ */

enum ks_op_type {
	KS_OP_ADDR_SET = 1,
	KS_OP_ADDR_DEL = 2,
	KS_OP_ROUTE_SET = 3,
	KS_OP_ROUTE_DEL = 4,
	KS_OP_NEIGH_SET = 5, /* static neighbour */
	KS_OP_NEIGH_DEL = 6,
	KS_OP_SVC_SET = 7,
	KS_OP_SVC_DEL = 8, /* with its real servers and local addresses */
	KS_OP_RS_SET = 9,
	KS_OP_RS_DEL = 10,
	KS_OP_LIP_SET = 11, /* local address of a service */
	KS_OP_LIP_DEL = 12,
	KS_OP_PARAM_SET = 13,
	KS_OP_MATCH_SET = 14, /* one end of the packets a match service takes */
};

/*
 * OPS body: ops one behind another; len counts this head and the body, a multiple of 4. SET makes
 * or replaces, DEL of what is not there is refused (KS_E_NOT_FOUND) and reads only the fields of
 * the identity:
 *
 *   - address: dev, af, addr (an address on two devices is refused at COMMIT)
 *   - route: dev, af, dst, plen, metric, gw
 *   - neighbour: dev, af, addr
 *   - service: key (must be there before its real servers and local addresses)
 *   - real server: svc, af, addr, port
 *   - local address: svc, af, addr
 *   - end of a match: svc, end (there is no DEL: it goes with its service)
 *
 * Ops take effect in their order, so an object deleted and set again is as if only set.
 */
struct ks_op {
	uint16_t type; /* enum ks_op_type */
	uint16_t len;
};

#define KS_ADDR_LEASED 0x1u /* a VIP of VRRP: answered for only while its lease runs */
#define KS_ADDR_LIP    0x2u /* a local address: its ports are the workers' pools */

struct ks_op_addr {
	struct ks_op op;
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t plen;
	uint16_t flags;
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_op_addr) == 40, "wire size");

struct ks_op_route {
	struct ks_op op;
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t plen;
	uint16_t weight; /* routes of one prefix and metric with gateways are ways side by side: the
			    share of this one; 0 = 1 */
	uint32_t mtu; /* 0 = the device's */
	uint32_t metric; /* lower wins */
	uint8_t dst[16];
	uint8_t gw[16]; /* zero = on-link */
	uint8_t src[16]; /* zero = none preferred */
};
static_assert(sizeof(struct ks_op_route) == 80, "wire size");

struct ks_op_neigh {
	struct ks_op op;
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t reserved;
	uint8_t mac[6];
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_op_neigh) == 44, "wire size");

struct ks_svc_key {
	uint8_t af; /* 4 or 6 */
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP ... */
	uint16_t port; /* network order */
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_svc_key) == 20, "wire size");

/*
 * A match service (SNAT) takes what passes through instead of what comes to an address. Its port is
 * 0 and its address a name that is no address of a host: 0.x.y.z, or one of 100::/64. Which packets
 * it takes KS_OP_MATCH_SET says; without that it takes all of its family and protocol.
 */

enum ks_sched {
	KS_SCHED_RR = 1,
	KS_SCHED_WRR = 2,
	KS_SCHED_WLC = 3,
	KS_SCHED_LC = 4,
	KS_SCHED_SED = 5,
	KS_SCHED_NQ = 6,
	KS_SCHED_SH = 7,
	KS_SCHED_DH = 8,
	KS_SCHED_FO = 9,
	KS_SCHED_OVF = 10,
	KS_SCHED_CONHASH = 11,
	KS_SCHED_MH = 12,
};

struct ks_op_svc {
	struct ks_op op;
	struct ks_svc_key key;
	uint8_t sched; /* enum ks_sched */
	uint8_t reserved[3];
	uint32_t flags; /* KS_SVC_* */
	uint32_t est_timeout_ms; /* 0 = the parameter's */
	uint32_t persist_ms; /* 0 = off */
	uint8_t persist_plen; /* clients of one prefix of that length go together */
	uint8_t quic_config; /* with KS_SVC_QUIC: 0 = ids in DPVS's format, else 1 + config id of
				QUIC-LB */
	uint8_t quic_len; /* QUIC-LB: bytes of a server id */
	uint8_t reserved2;
};
static_assert(sizeof(struct ks_op_svc) == 44, "wire size");

#define KS_SVC_EXPIRE_QUIESCENT 0x1u
#define KS_SVC_SYNPROXY         0x2u
#define KS_SVC_ONE_PACKET       0x4u
#define KS_SVC_QUIC             0x8u
#define KS_SVC_SCHED_PORT       0x10u /* sh-port, mh-port */
#define KS_SVC_SCHED_FALLBACK   0x20u /* sh-fallback, mh-fallback */
#define KS_SVC_EXPIRE_TEMPLATE  0x40u /* persistence does not hold to a real server of weight 0 */

enum ks_fwd {
	KS_FWD_FNAT = 1,
	KS_FWD_NAT = 2,
	KS_FWD_DR = 3,
	KS_FWD_TUN = 4,
	KS_FWD_SNAT = 5,
};

/* Flags of a real server in TUN: what is between the two IP headers. */
#define KS_RS_TUN_KIND       0x3u
#define KS_RS_TUN_GRE        0x1u
#define KS_RS_TUN_GUE        0x2u
#define KS_RS_TUN_CSUM       0x4u
#define KS_RS_TUN_PORT_SHIFT 16u /* GUE: the port it goes to, in host order */

struct ks_op_rs {
	struct ks_op op;
	struct ks_svc_key svc;
	uint8_t af;
	uint8_t fwd; /* enum ks_fwd */
	uint16_t port; /* network order */
	uint8_t addr[16];
	uint32_t weight; /* 0 = no new sessions, those there go on */
	uint32_t flags;
	uint32_t upper; /* no new sessions from so many on, over all workers; 0 = no limit */
	uint32_t lower; /* new ones again below so many; 0 = below three quarters of upper */
};
static_assert(sizeof(struct ks_op_rs) == 60, "wire size");

struct ks_op_lip {
	struct ks_op op;
	struct ks_svc_key svc;
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t reserved[3];
	uint8_t addr[16];
};
static_assert(sizeof(struct ks_op_lip) == 60, "wire size");

enum ks_match_end {
	KS_MATCH_SOURCE = 0,
	KS_MATCH_DESTINATION = 1,
};

struct ks_op_match {
	struct ks_op op;
	struct ks_svc_key svc;
	uint8_t end; /* enum ks_match_end */
	uint8_t reserved[3];
	uint32_t order; /* with KS_MATCH_SOURCE: of several that fit the lowest takes the packet */
	uint16_t first_port, last_port; /* network order; 0 and 0 = any */
	char dev[KS_DEV_NAME]; /* it came from (source), or leaves by (destination); "" = any */
	uint8_t first[16], last[16]; /* both zero = any */
};
static_assert(sizeof(struct ks_op_match) == 84, "wire size");

/* Parameters: timeouts in milliseconds. Defaults are DPVS's (spec: tcp established 90 s ...), set
 * by the data plane itself. */
enum ks_param {
	KS_PARAM_TCP_NONE = 0,
	KS_PARAM_TCP_ESTABLISHED = 1,
	KS_PARAM_TCP_SYN_SENT = 2,
	KS_PARAM_TCP_SYN_RECV = 3,
	KS_PARAM_TCP_FIN_WAIT = 4,
	KS_PARAM_TCP_TIME_WAIT = 5,
	KS_PARAM_TCP_CLOSE = 6,
	KS_PARAM_TCP_CLOSE_WAIT = 7,
	KS_PARAM_TCP_LAST_ACK = 8,
	KS_PARAM_TCP_LISTEN = 9,
	KS_PARAM_TCP_SYNACK = 10,
	KS_PARAM_TCP_LAST = 11,
	KS_PARAM_UDP_ONEWAY = 12,
	KS_PARAM_UDP_NORMAL = 13,
	KS_PARAM_UDP_LAST = 14,
	KS_PARAM_CONN_INIT = 15,
	KS_PARAM_DEFAULT_TTL = 16,
	KS_PARAM_LPORT_MIN = 17,
	KS_PARAM_LPORT_MAX = 18,
	KS_PARAM_NEIGH_TIMEOUT = 19,
	KS_PARAM_MAGLEV_SIZE = 20, /* rows of mh's tables: a prime from 251 to 65521 */
	KS_PARAM_ICMP_NORMAL = 21,
	KS_PARAM_SCTP_INIT1 = 22,
	KS_PARAM_SCTP_INIT = 23, /* answered, cookie on its way */
	KS_PARAM_SCTP_ESTABLISHED = 24,
	KS_PARAM_SCTP_SHUTDOWN = 25,
	KS_PARAM_SCTP_REJECTED = 26,
	KS_PARAM_SCTP_CLOSED = 27,
	KS_PARAM_REUSE_STATES = 28, /* bits, 1 << enum ks_state: a new SYN begins anew there */
	KS_PARAM_RESET_EXPIRED = 29, /* 1: both ends of a TCP session that expires are told */
	KS_PARAM_COUNT,
};

struct ks_op_param {
	struct ks_op op;
	uint32_t param; /* enum ks_param */
	uint32_t value;
	uint32_t reserved;
};
static_assert(sizeof(struct ks_op_param) == 16, "wire size");

/* ---- sessions ------------------------------------------------------------------------------------------------- */

/* Ask for a page of one worker's sessions; cursor 0 starts, the answer tells where to go on
 * (UINT32_MAX = that was all). */
struct ks_sessions {
	uint32_t worker;
	uint32_t cursor;
	uint32_t max; /* rows wanted, <= 512 */
	uint32_t reserved;
};

struct ks_session_row {
	uint8_t af_in; /* of the client and the VIP */
	uint8_t af_out; /* of the LIP and the real server */
	uint8_t proto;
	uint8_t state; /* enum ks_state */
	uint16_t worker;
	uint16_t fwd;
	uint32_t expires_ms;
	uint32_t flags;
	uint16_t cport, vport, lport, rport; /* network order */
	uint8_t client[16];
	uint8_t vip[16];
	uint8_t lip[16];
	uint8_t rs[16];
};
static_assert(sizeof(struct ks_session_row) == 88, "wire size");

struct ks_sessions_ack {
	uint32_t worker;
	uint32_t next; /* cursor for the next page */
	uint32_t count;
	uint32_t status; /* enum ks_status */
	/* count rows follow */
};

/* Names as DPVS prints them: TCP_EST SYN_RECV ... */
enum ks_state {
	KS_ST_NONE = 0,
	KS_ST_ESTABLISHED = 1,
	KS_ST_SYN_SENT = 2,
	KS_ST_SYN_RECV = 3,
	KS_ST_FIN_WAIT = 4,
	KS_ST_TIME_WAIT = 5,
	KS_ST_CLOSE = 6,
	KS_ST_CLOSE_WAIT = 7,
	KS_ST_LAST_ACK = 8,
	KS_ST_LISTEN = 9,
	KS_ST_SYNACK = 10,
	KS_ST_UDP_ONEWAY = 11,
	KS_ST_UDP_NORMAL = 12,
	KS_ST_ICMP_NORMAL = 13,
	KS_ST_SCTP_INIT1 = 14,
	KS_ST_SCTP_INIT = 15,
	KS_ST_SCTP_ESTABLISHED = 16,
	KS_ST_SCTP_SHUTDOWN = 17,
	KS_ST_SCTP_REJECTED = 18,
	KS_ST_SCTP_CLOSED = 19,
	KS_ST_COUNT,
};

/* ---- tables --------------------------------------------------------------------------------------------------- */

/* What is in force on layer 3, whoever brought it: a page of one table; cursor as with sessions. A
 * table that changes between two pages may show a row twice or not at all. */
enum ks_list_kind {
	KS_LIST_ADDRS = 1,
	KS_LIST_ROUTES = 2,
	KS_LIST_NEIGHS = 3,
};

struct ks_list {
	uint32_t kind; /* enum ks_list_kind */
	uint32_t cursor;
	uint32_t max; /* rows wanted, <= 512 */
	uint32_t reserved;
};
static_assert(sizeof(struct ks_list) == 16, "wire size");

#define KS_LIST_OP        0x1u /* brought by an op */
#define KS_LIST_KERNEL    0x2u /* mirrored from the kernel interface */
#define KS_LIST_CONNECTED 0x4u /* route that follows from an address */
#define KS_LIST_LEASED    0x8u
#define KS_LIST_LIP       0x10u
#define KS_LIST_STATIC    0x20u /* neighbour that is never asked for */
#define KS_LIST_HELD      0x40u /* leased address whose lease runs */

/* One row of any table; what does not apply is zero. */
struct ks_list_row {
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t plen;
	uint16_t flags; /* KS_LIST_* */
	uint32_t mtu;
	uint32_t metric;
	uint32_t age_ms; /* neighbour: since its state or MAC was heard of; leased address: how
			    long its lease still runs */
	uint8_t mac[6];
	uint8_t state; /* neighbour: enum ks_neigh_state */
	uint8_t reserved;
	uint8_t addr[16]; /* address, destination, neighbour */
	uint8_t gw[16];
	uint8_t src[16];
};
static_assert(sizeof(struct ks_list_row) == 88, "wire size");

enum ks_neigh_state {
	KS_NS_NONE = 0,
	KS_NS_INCOMPLETE = 1,
	KS_NS_REACHABLE = 2,
	KS_NS_STALE = 3,
	KS_NS_PROBE = 4,
	KS_NS_FAILED = 5,
	KS_NS_STATIC = 6,
	KS_NS_COUNT,
};

struct ks_list_ack {
	uint32_t kind;
	uint32_t next; /* cursor for the next page */
	uint32_t count;
	uint32_t status; /* enum ks_status */
	/* count rows follow */
};
static_assert(sizeof(struct ks_list_ack) == 16, "wire size");

/* ---- events --------------------------------------------------------------------------------------------------- */

enum ks_event_type {
	KS_EV_LINK = 1, /* a = 1 up, 0 down */
	KS_EV_LEASE_EXPIRED = 2, /* a = how many at once; dev, addr: the first */
	KS_EV_ADDR_CONFLICT = 3, /* addr: somebody else answers for it, mac in text */
	KS_EV_LPORT_EXHAUSTED = 4,
	KS_EV_TABLE_FULL = 5,
	KS_EV_STOPPING = 6,
	KS_EV_LOG = 7,
	KS_EV_ADDR_BY_HAND = 8, /* addr: a leased address that is not held is on the KNI */
};

struct ks_event {
	uint32_t type;
	uint32_t a;
	char dev[KS_DEV_NAME];
	uint8_t af;
	uint8_t reserved[3];
	uint8_t addr[16];
	char text[KS_REASON_LEN];
};
static_assert(sizeof(struct ks_event) == 204, "wire size");

/* ---- shared counters ------------------------------------------------------------------------------------------ */

/*
 * One memory, written by the data plane and mapped read-only by clients. Every counter is a
 * naturally aligned uint64 that has one writer. A reader may see counters of different moments,
 * never a torn one. Tables lie at the offsets given.
 */
#define KS_SHM_MAGIC 0x314d48534bull /* "KSHM1" */
#define KS_NAME_LEN  32

struct ks_shm {
	uint64_t magic;
	uint32_t size;
	uint32_t workers;
	uint32_t worker_counters; /* counters a worker */
	uint32_t ports;
	uint32_t port_counters;
	uint32_t rs_slots;
	uint32_t rs_counters;
	uint32_t worker_names_off; /* worker_counters names of KS_NAME_LEN: "rx_packets",
				      "drop.ttl", ... */
	uint32_t worker_off; /* uint64[workers + 1][worker_stride / 8]; the last row is the main
				lcore's */
	uint32_t worker_stride; /* bytes, a multiple of 64 */
	uint32_t port_names_off;
	uint32_t port_dev_off; /* ports device names of KS_NAME_LEN */
	uint32_t port_off; /* uint64[ports][port_stride / 8] */
	uint32_t port_stride;
	uint32_t rs_dir_off; /* struct ks_shm_rs[rs_slots] */
	uint32_t rs_names_off; /* rs_counters names of KS_NAME_LEN */
	uint32_t rs_off; /* [workers] blocks of rs_worker_stride bytes, each
			    uint64[rs_slots][rs_counters] */
	uint32_t rs_worker_stride;
	uint64_t generation; /* current */
	uint64_t lease_left_ms; /* until the first lease of those held ends; 0 = none is held */
	uint64_t heartbeat; /* counts turns of the main lcore */
};

/* Which real server a slot counts for; seq is odd while the row changes. */
struct ks_shm_rs {
	uint32_t seq;
	uint32_t used;
	struct ks_svc_key svc;
	uint8_t af;
	uint8_t fwd;
	uint16_t port;
	uint8_t addr[16];
	uint32_t weight;
};
static_assert(sizeof(struct ks_shm_rs) == 52, "wire size");

#endif
