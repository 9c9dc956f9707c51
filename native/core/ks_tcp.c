/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP states of a session (timeouts as DPVS names them). The client is the one who opened.
 *
 *   SYN_RECV     the client's SYN was passed on         -> ESTABLISHED by the client's ACK
 *   CLOSE_WAIT   the client has sent FIN                -> TIME_WAIT by the server's FIN
 *   FIN_WAIT     the server has sent FIN                -> TIME_WAIT by the client's FIN
 *   CLOSE        RST from either side
 */
#include "ks_tcp.h"

#include "ks_hdr.h"
#include "ks_session.h"

enum cls { CLS_ACK, CLS_SYN, CLS_FIN, CLS_RST, CLS_COUNT };

static enum cls classify(uint8_t flags)
{
	if (flags & KS_TCP_RST)
		return CLS_RST;
	if (flags & KS_TCP_SYN)
		return CLS_SYN;
	return flags & KS_TCP_FIN ? CLS_FIN : CLS_ACK;
}

#define EST KS_ST_ESTABLISHED
#define SR  KS_ST_SYN_RECV
#define FW  KS_ST_FIN_WAIT
#define CW  KS_ST_CLOSE_WAIT
#define TW  KS_ST_TIME_WAIT
#define CL  KS_ST_CLOSE

/* [state][direction][class]; states not listed cannot occur for TCP and fall to CLOSE. */
static const uint8_t next[KS_ST_COUNT][2][CLS_COUNT] = {
	/*                         ACK  SYN  FIN  RST */
	[KS_ST_SYN_RECV] = { { EST, SR, CW, CL }, { SR, SR, FW, CL } },
	[KS_ST_ESTABLISHED] = { { EST, EST, CW, CL }, { EST, EST, FW, CL } },
	[KS_ST_CLOSE_WAIT] = { { CW, CW, CW, CL }, { CW, CW, TW, CL } },
	[KS_ST_FIN_WAIT] = { { FW, FW, TW, CL }, { FW, FW, FW, CL } },
	[KS_ST_TIME_WAIT] = { { TW, TW, TW, CL }, { TW, TW, TW, CL } },
	[KS_ST_CLOSE] = { { CL, CL, CL, CL }, { CL, CL, CL, CL } },
};

uint8_t ks_tcp_next(uint8_t state, unsigned dir, uint8_t tcp_flags)
{
	uint8_t to = state < KS_ST_COUNT ? next[state][dir][classify(tcp_flags)] : KS_ST_NONE;

	return to == KS_ST_NONE ? KS_ST_CLOSE : to;
}

uint8_t ks_tcp_next_one_way(uint8_t state, uint8_t tcp_flags)
{
	uint8_t to = ks_tcp_next(state, KS_IN, tcp_flags);

	return to == KS_ST_CLOSE_WAIT ? KS_ST_FIN_WAIT : to;
}

static const uint8_t param_of[KS_ST_COUNT] = {
	[KS_ST_NONE] = KS_PARAM_TCP_NONE,
	[KS_ST_ESTABLISHED] = KS_PARAM_TCP_ESTABLISHED,
	[KS_ST_SYN_SENT] = KS_PARAM_TCP_SYN_SENT,
	[KS_ST_SYN_RECV] = KS_PARAM_TCP_SYN_RECV,
	[KS_ST_FIN_WAIT] = KS_PARAM_TCP_FIN_WAIT,
	[KS_ST_TIME_WAIT] = KS_PARAM_TCP_TIME_WAIT,
	[KS_ST_CLOSE] = KS_PARAM_TCP_CLOSE,
	[KS_ST_CLOSE_WAIT] = KS_PARAM_TCP_CLOSE_WAIT,
	[KS_ST_LAST_ACK] = KS_PARAM_TCP_LAST_ACK,
	[KS_ST_LISTEN] = KS_PARAM_TCP_LISTEN,
	[KS_ST_SYNACK] = KS_PARAM_TCP_SYNACK,
	[KS_ST_UDP_ONEWAY] = KS_PARAM_UDP_ONEWAY,
	[KS_ST_UDP_NORMAL] = KS_PARAM_UDP_NORMAL,
	[KS_ST_ICMP_NORMAL] = KS_PARAM_ICMP_NORMAL,
	[KS_ST_SCTP_INIT1] = KS_PARAM_SCTP_INIT1,
	[KS_ST_SCTP_INIT] = KS_PARAM_SCTP_INIT,
	[KS_ST_SCTP_ESTABLISHED] = KS_PARAM_SCTP_ESTABLISHED,
	[KS_ST_SCTP_SHUTDOWN] = KS_PARAM_SCTP_SHUTDOWN,
	[KS_ST_SCTP_REJECTED] = KS_PARAM_SCTP_REJECTED,
	[KS_ST_SCTP_CLOSED] = KS_PARAM_SCTP_CLOSED,
};

uint32_t ks_state_timeout(const struct ks_conf *c, const struct ks_svc *svc, uint8_t state)
{
	bool established = state == KS_ST_ESTABLISHED || state == KS_ST_UDP_ONEWAY ||
		state == KS_ST_UDP_NORMAL || state == KS_ST_SCTP_ESTABLISHED;

	if (established && svc != NULL && svc->est_timeout_ms != 0)
		return svc->est_timeout_ms;
	return c->param[param_of[state]];
}
