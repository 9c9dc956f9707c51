/* SPDX-License-Identifier: Apache-2.0 */
#include "shield.h"

#include <net/if.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shield {
	struct nft_ctx *nft; /* its socket is the owner of the table */
};

/* A table's name is a word, an interface's may be nearly anything: its index serves. */
static bool install(struct nft_ctx *nft, const char *iface)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "table netdev keelson-port-%u { flags owner; chain ingress { type filter hook "
		 "ingress device \"%s\" priority 0; policy drop; }; }",
		 if_nametoindex(iface), iface);
	return nft_run_cmd_from_buffer(nft, cmd) == 0;
}

struct shield *shield_open(const char *iface, char err[KS_REASON_LEN])
{
	struct shield *s = calloc(1, sizeof(*s));
	const char *why;

	if (s == NULL || strchr(iface, '"') != NULL ||
	    (s->nft = nft_ctx_new(NFT_CTX_DEFAULT)) == NULL) {
		snprintf(err, KS_REASON_LEN, "nftables is not to be had");
		free(s);
		return NULL;
	}
	nft_ctx_buffer_output(s->nft);
	nft_ctx_buffer_error(s->nft);
	if (install(s->nft, iface))
		return s;
	why = nft_ctx_get_error_buffer(s->nft);
	if (strncmp(why, "Error: ", 7) == 0)
		why += 7;
	snprintf(err, KS_REASON_LEN, "%.*s", (int)strcspn(why, "\n"), why);
	shield_close(s);
	return NULL;
}

void shield_close(struct shield *s)
{
	if (s == NULL)
		return;
	nft_ctx_free(s->nft);
	free(s);
}
