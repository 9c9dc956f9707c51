/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of dataplane-modes. Each opens rigs of its own and prints a section; false = something
 * left the data plane wrong or not at all, and err says what. */
#ifndef SECTIONS_H
#define SECTIONS_H

#include "flows.h"
#include "measure.h"
#include "out.h"

#define MAX_SIZES 16u

struct bench {
	struct out out;
	struct measure m;
	struct rte_mempool *pool;
	const struct options *eal; /* the lcores there are */
	bool quick;
	unsigned windows;
	uint32_t size[MAX_SIZES];
	unsigned n_sizes;
	const char *modes; /* names, commas between them; NULL = all. FNAT44 always runs */
};

bool section_modes(struct bench *b, char err[KS_ERR_LEN]);
bool section_workers(struct bench *b, char err[KS_ERR_LEN]);
bool section_latency(struct bench *b, char err[KS_ERR_LEN]);
bool section_swap(struct bench *b, char err[KS_ERR_LEN]);
bool section_flood(struct bench *b, char err[KS_ERR_LEN]);

/* A rig with n established TCP sessions that play. */
struct stage {
	struct rig r;
	struct flows f;
};

bool stage_open(struct stage *s, struct bench *b, const struct options *o,
		const struct rig_mode *mode, uint32_t n, uint32_t room, char err[KS_ERR_LEN]);
void stage_close(struct stage *s);
/* Anything dropped is a fault, but for what full rings dropped: that is told as a share of what was
 * received since. */
bool stage_clean(const struct stage *s, uint64_t rx_before, double *lost, char err[KS_ERR_LEN]);

#endif
