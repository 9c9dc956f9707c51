/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of the core: tables are mapped (in huge pages if any are free, else offered to the kernel
 * for them), small things are allocated. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shell.h"

#define LARGE     (2u << 20)
#define HUGE_PAGE ((size_t)2 << 20)

/* Lies in the 64 bytes before what the caller gets; align is never more. */
struct head {
	size_t mapped; /* 0 = from the heap */
	void *start;
};

/*
 * Large pieces that were given back and wait to be asked for again: a generation is about as large
 * as the one before the last. Giving them back to the kernel would interrupt every worker (each CPU
 * must forget the addresses), and getting new ones would fault at every page. Only the main lcore
 * comes here once the workers run.
 */
#define SPARE_MAX ((size_t)128 << 20) /* bytes, of each */
static struct {
	void *start;
	size_t mapped;
} spare[2];

static void *take_spare(size_t *mapped, size_t size)
{
	for (unsigned i = 0; i < 2; i++) {
		void *p = spare[i].start;

		if (p == NULL || spare[i].mapped < *mapped || spare[i].mapped > 2 * *mapped)
			continue;
		*mapped = spare[i].mapped;
		spare[i].start = NULL;
		memset(p, 0, size);
		return p;
	}
	return NULL;
}

static bool keep_spare(const struct head *h)
{
	size_t mapped = h->mapped;

	for (unsigned i = 0; i < 2 && mapped <= SPARE_MAX; i++) {
		if (spare[i].start != NULL)
			continue;
		spare[i].mapped = mapped;
		spare[i].start = h->start;
		return true;
	}
	return false;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p != MAP_FAILED)
		return p;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_HUGEPAGE);
	return p;
}

static void *get(void *ctx, size_t size, size_t align)
{
	struct head *h;
	uint8_t *p;
	size_t mapped = 0;

	(void)ctx;
	if (align > 64)
		return NULL;
	size = (size + 64 + 63) & ~(size_t)63;
	if (size >= LARGE) {
		mapped = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
		p = take_spare(&mapped, size);
		if (p == NULL)
			p = map(mapped);
	} else {
		p = aligned_alloc(64, size);
		if (p != NULL)
			memset(p, 0, size);
	}
	if (p == NULL)
		return NULL;
	h = (struct head *)(void *)p;
	h->mapped = mapped;
	h->start = p;
	return p + 64;
}

static void give(void *ctx, void *p)
{
	struct head *h;

	(void)ctx;
	if (p == NULL)
		return;
	h = (struct head *)(void *)((uint8_t *)p - 64);
	if (h->mapped == 0)
		free(h->start);
	else if (!keep_spare(h))
		munmap(h->start, h->mapped);
}

struct ks_mem memory_ops(void)
{
	return (struct ks_mem){ .ctx = NULL, .alloc = get, .free = give };
}
