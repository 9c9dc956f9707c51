/* SPDX-License-Identifier: Apache-2.0 */
#include "pcap.h"

#include <errno.h>
#include <string.h>

#define MAGIC_US      0xa1b2c3d4u
#define MAGIC_NS      0xa1b23c4du
#define LINK_ETHERNET 1u

struct file_head {
	uint32_t magic;
	uint16_t major, minor;
	int32_t zone;
	uint32_t sigfigs;
	uint32_t snaplen;
	uint32_t link;
};

struct frame_head {
	uint32_t seconds;
	uint32_t fraction;
	uint32_t captured;
	uint32_t length;
};

static uint32_t word(const struct pcap_in *p, uint32_t v)
{
	return p->swapped ? __builtin_bswap32(v) : v;
}

bool pcap_open(struct pcap_in *p, const char *path, char err[PCAP_ERR])
{
	struct file_head h;
	uint32_t magic;

	*p = (struct pcap_in){ .f = fopen(path, "rb") };
	if (p->f == NULL) {
		snprintf(err, PCAP_ERR, "%s: %s", path, strerror(errno));
		return false;
	}
	if (fread(&h, sizeof(h), 1, p->f) != 1)
		goto not_pcap;
	p->swapped =
		h.magic == __builtin_bswap32(MAGIC_US) || h.magic == __builtin_bswap32(MAGIC_NS);
	magic = word(p, h.magic);
	p->nanoseconds = magic == MAGIC_NS;
	if (magic != MAGIC_US && magic != MAGIC_NS)
		goto not_pcap;
	if ((word(p, h.link) & 0xffff) == LINK_ETHERNET)
		return true;
	snprintf(err, PCAP_ERR, "%s: link type %u, Ethernet (1) is needed", path,
		 word(p, h.link) & 0xffff);
	goto close;
not_pcap:
	snprintf(err, PCAP_ERR,
		 "%s is no pcap file; a pcapng file becomes one by `tshark -F pcap -r IN -w OUT`",
		 path);
close:
	pcap_close(p);
	return false;
}

int pcap_next(struct pcap_in *p, uint8_t *frame, uint32_t max, uint32_t *len, uint64_t *us,
	      char err[PCAP_ERR])
{
	struct frame_head h;
	size_t got = fread(&h, 1, sizeof(h), p->f);

	if (got == 0 && feof(p->f))
		return 0;
	p->frames++;
	*len = got == sizeof(h) ? word(p, h.captured) : 0;
	if (got != sizeof(h) || *len > max || fread(frame, 1, *len, p->f) != *len) {
		snprintf(err, PCAP_ERR, "frame %llu is cut off, or longer than %u bytes",
			 (unsigned long long)p->frames, max);
		return -1;
	}
	*us = (uint64_t)word(p, h.seconds) * 1000000 +
		word(p, h.fraction) / (p->nanoseconds ? 1000 : 1);
	return 1;
}

void pcap_close(struct pcap_in *p)
{
	if (p->f != NULL)
		fclose(p->f);
	p->f = NULL;
}

FILE *pcap_create(const char *path, char err[PCAP_ERR])
{
	struct file_head h = {
		.magic = MAGIC_US, .major = 2, .minor = 4, .snaplen = 262144, .link = LINK_ETHERNET
	};
	FILE *f = fopen(path, "wb");

	if (f != NULL && fwrite(&h, sizeof(h), 1, f) == 1)
		return f;
	snprintf(err, PCAP_ERR, "%s: %s", path, strerror(errno));
	if (f != NULL)
		fclose(f);
	return NULL;
}

bool pcap_write(FILE *f, uint64_t us, const uint8_t *frame, uint32_t len)
{
	struct frame_head h = { .seconds = (uint32_t)(us / 1000000),
				.fraction = (uint32_t)(us % 1000000),
				.captured = len,
				.length = len };

	return fwrite(&h, sizeof(h), 1, f) == 1 && fwrite(frame, 1, len, f) == len;
}
