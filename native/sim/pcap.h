/* SPDX-License-Identifier: Apache-2.0 */
/* Classic pcap files of Ethernet frames (draft-ietf-opsawg-pcap): what tcpdump -w writes and every
 * tool reads. */
#ifndef SIM_PCAP_H
#define SIM_PCAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct pcap_in {
	FILE *f;
	bool swapped; /* written on a machine of the other byte order */
	bool nanoseconds;
	uint64_t frames;
};

#define PCAP_ERR 160

/* false with a reason: no such file, not a pcap file, not Ethernet. */
bool pcap_open(struct pcap_in *p, const char *path, char err[PCAP_ERR]);
/* 1 = a frame of *len bytes (its microsecond in *us), 0 = the end, -1 = a reason: cut off, or
 * longer than max. */
int pcap_next(struct pcap_in *p, uint8_t *frame, uint32_t max, uint32_t *len, uint64_t *us,
	      char err[PCAP_ERR]);
void pcap_close(struct pcap_in *p);

FILE *pcap_create(const char *path, char err[PCAP_ERR]);
bool pcap_write(FILE *f, uint64_t us, const uint8_t *frame, uint32_t len);

#endif
