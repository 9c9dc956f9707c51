/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of named values in named sections, as JSON or for people. */
#ifndef OUT_H
#define OUT_H

#include <stdbool.h>
#include <stdint.h>

struct out {
	bool json;
	bool first_row, first_field;
};

/* After report_conditions, whose object they go on with. */
void out_section(struct out *o, const char *name, const char *title);
void out_section_end(struct out *o);
void out_row(struct out *o);
void out_row_end(struct out *o);
void out_text(struct out *o, const char *name, const char *value);
void out_num(struct out *o, const char *name, double value, unsigned decimals);
void out_flag(struct out *o, const char *name, bool value);
void out_end(struct out *o);

#endif
