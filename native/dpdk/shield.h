/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the kernel off an interface whose frames an AF_PACKET port takes.
 *
 * Such a port gets copies: the kernel sees every frame as well, and because the addresses of
 * <dev>.kni are local in the same namespace, it would answer in the port's place: second echo
 * replies, resets of connections it knows nothing of. A netdev-family ingress chain drops what
 * comes in after packet sockets have had their copy. The table is owned by this process (nftables
 * `flags owner`), so it goes with the process however that ends.
 */
#ifndef KS_SHIELD_H
#define KS_SHIELD_H

#include "ks_ipc.h"

struct shield;

/* NULL with a reason in `err` when there is no nftables to be had. */
struct shield *shield_open(const char *iface, char err[KS_REASON_LEN]);
void shield_close(struct shield *s);

#endif
