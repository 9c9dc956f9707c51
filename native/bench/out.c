/* SPDX-License-Identifier: Apache-2.0 */
#include "out.h"

#include <stdio.h>

void out_section(struct out *o, const char *name, const char *title)
{
	if (o->json)
		printf(",\n\"%s\":[", name);
	else
		printf("%s\n", title);
	o->first_row = true;
}

void out_section_end(struct out *o)
{
	printf(o->json ? "]" : "\n");
	fflush(stdout);
}

void out_row(struct out *o)
{
	if (o->json)
		printf("%s\n{", o->first_row ? "" : ",");
	o->first_row = false;
	o->first_field = true;
}

void out_row_end(struct out *o)
{
	printf(o->json ? "}" : "\n");
	fflush(stdout);
}

static void name_field(struct out *o, const char *name)
{
	if (o->json)
		printf("%s\"%s\":", o->first_field ? "" : ",", name);
	else
		printf("  %s ", name);
	o->first_field = false;
}

/* The values are names of this program's: nothing in them needs escaping. */
void out_text(struct out *o, const char *name, const char *value)
{
	name_field(o, name);
	printf(o->json ? "\"%s\"" : "%-7s", value);
}

void out_num(struct out *o, const char *name, double value, unsigned decimals)
{
	name_field(o, name);
	printf("%.*f", (int)decimals, value);
}

void out_flag(struct out *o, const char *name, bool value)
{
	name_field(o, name);
	printf("%s", value ? "true" : "false");
}

void out_end(struct out *o)
{
	if (o->json)
		printf("}\n");
}
