/* SPDX-License-Identifier: Apache-2.0 */
/* Which class a frame is of, and that no class takes another's place. */
#include "check.h"
#include "policer.h"

/* Of whole frames; what is not set is 0. */
static const struct {
	const char *what;
	uint8_t at[12][2]; /* byte, value; ends with 0, 0 */
	size_t len;
	enum ks_police class;
} frames[] = {
	{ "ARP", { { 12, 8 }, { 13, 6 } }, 42, KS_POLICE_NEIGHBOUR },
	{ "VRRP", { { 12, 8 }, { 14, 0x45 }, { 22, 255 }, { 23, 112 } }, 34, KS_POLICE_ROUTING },
	{ "VRRP in AH",
	  { { 12, 8 }, { 14, 0x45 }, { 22, 255 }, { 23, 51 }, { 34, 112 } },
	  60,
	  KS_POLICE_ROUTING },
	{ "VRRP from beyond a router",
	  { { 12, 8 }, { 14, 0x45 }, { 22, 254 }, { 23, 112 } },
	  34,
	  KS_POLICE_ORDINARY },
	{ "VRRP over IPv6",
	  { { 12, 0x86 }, { 13, 0xdd }, { 20, 112 }, { 21, 255 } },
	  60,
	  KS_POLICE_ROUTING },
	{ "OSPF", { { 12, 8 }, { 14, 0x45 }, { 22, 1 }, { 23, 89 } }, 34, KS_POLICE_ROUTING },
	{ "to BGP", { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 37, 179 } }, 60, KS_POLICE_CONTROL },
	{ "from BGP", { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 35, 179 } }, 60, KS_POLICE_CONTROL },
	{ "BGP over IPv6",
	  { { 12, 0x86 }, { 13, 0xdd }, { 20, 6 }, { 57, 179 } },
	  74,
	  KS_POLICE_CONTROL },
	{ "behind options",
	  { { 12, 8 }, { 14, 0x46 }, { 23, 6 }, { 41, 179 } },
	  60,
	  KS_POLICE_CONTROL },
	{ "ssh", { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 37, 22 } }, 60, KS_POLICE_CONTROL },
	{ "from ssh", { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 35, 22 } }, 60, KS_POLICE_CONTROL },
	{ "port 22 of UDP",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 17 }, { 37, 22 } },
	  60,
	  KS_POLICE_ORDINARY },
	{ "BFD",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 17 }, { 36, 3784 >> 8 }, { 37, 3784 & 255 } },
	  60,
	  KS_POLICE_CONTROL },
	{ "BFD echo",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 17 }, { 36, 3785 >> 8 }, { 37, 3785 & 255 } },
	  60,
	  KS_POLICE_CONTROL },
	{ "BFD, several hops",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 17 }, { 36, 4784 >> 8 }, { 37, 4784 & 255 } },
	  60,
	  KS_POLICE_CONTROL },
	{ "a solicitation",
	  { { 12, 0x86 }, { 13, 0xdd }, { 20, 58 }, { 21, 255 }, { 54, 135 } },
	  86,
	  KS_POLICE_NEIGHBOUR },
	{ "one that was forwarded",
	  { { 12, 0x86 }, { 13, 0xdd }, { 20, 58 }, { 21, 64 }, { 54, 135 } },
	  86,
	  KS_POLICE_ORDINARY },
	{ "an echo",
	  { { 12, 0x86 }, { 13, 0xdd }, { 20, 58 }, { 21, 255 }, { 54, 128 } },
	  86,
	  KS_POLICE_ORDINARY },
	{ "another port",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 37, 80 } },
	  60,
	  KS_POLICE_ORDINARY },
	{ "no first fragment",
	  { { 12, 8 }, { 14, 0x45 }, { 21, 1 }, { 23, 6 }, { 37, 179 } },
	  60,
	  KS_POLICE_ORDINARY },
	{ "ports cut off",
	  { { 12, 8 }, { 14, 0x45 }, { 23, 6 }, { 37, 179 } },
	  36,
	  KS_POLICE_ORDINARY },
	{ "a header too short",
	  { { 12, 8 }, { 14, 0x42 }, { 23, 6 }, { 37, 179 } },
	  60,
	  KS_POLICE_ORDINARY },
	{ "something else", { { 12, 0x88 }, { 13, 0xcc } }, 60, KS_POLICE_ORDINARY },
};

static void frames_have_their_class(void)
{
	for (unsigned i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		uint8_t *f = calloc(1, frames[i].len);

		CHECK(f != NULL);
		for (unsigned k = 0; frames[i].at[k][0] != 0; k++)
			if (frames[i].at[k][0] < frames[i].len)
				f[frames[i].at[k][0]] = frames[i].at[k][1];
		if (ks_police_class(f, frames[i].len) != frames[i].class)
			printf("%s\n", frames[i].what);
		CHECK_EQ(ks_police_class(f, frames[i].len), frames[i].class);
		free(f);
	}
}

static void any_length_of_anything_is_read_no_further(void)
{
	uint64_t s = 3;

	for (unsigned i = 0; i < 20000; i++) {
		unsigned n = below(&s, 90);
		uint8_t *f = malloc(n > 0 ? n : 1);

		CHECK(f != NULL);
		for (unsigned k = 0; k < n; k++)
			f[k] = (uint8_t)rnd(&s);
		if (n > 14) {
			f[12] = i % 2 != 0 ? 0x08 : 0x86;
			f[13] = i % 2 != 0 ? 0x00 : 0xdd;
		}
		CHECK(ks_police_class(f, n) < KS_POLICE_WAITING);
		free(f);
	}
}

static void a_class_takes_nothing_of_another(void)
{
	struct ks_policer p;
	unsigned sum = 0;

	ks_policer_init(&p);
	for (unsigned c = 0; c < KS_POLICE_CLASSES; c++) {
		unsigned passed = 0, more = 0;

		while (ks_tokens_take(&p.bucket[c], 1000))
			passed++;
		CHECK(passed >= 256);
		sum += passed;
		for (unsigned i = 0; i < 1000; i++) /* ten milliseconds later, far too many again */
			more += ks_tokens_take(&p.bucket[c], 1010);
		CHECK_EQ(more, KS_POLICE_PPS / 100);
	}
	CHECK(sum < 2048); /* what a ring holds */
}

int main(void)
{
	RUN(frames_have_their_class);
	RUN(any_length_of_anything_is_read_no_further);
	RUN(a_class_takes_nothing_of_another);
	return 0;
}
