/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool as_json;

void ks_log_json(bool on)
{
	as_json = on;
}

static const char *word(enum ks_level level)
{
	return level >= KS_LOG_ERROR ? "error: " : level >= KS_LOG_WARN ? "warning: " : "";
}

/* Quotes, backslashes and control characters escaped. */
static void json_string(char *out, size_t cap, const char *in)
{
	size_t n = 0;

	for (; *in != 0 && n + 7 < cap; in++) {
		unsigned char ch = (unsigned char)*in;

		if (ch == '"' || ch == '\\') {
			out[n++] = '\\';
			out[n++] = (char)ch;
		} else if (ch < 0x20) {
			n += (size_t)snprintf(out + n, cap - n, "\\u%04x", ch);
		} else {
			out[n++] = (char)ch;
		}
	}
	out[n] = 0;
}

void ks_log(enum ks_level level, const char *fmt, ...)
{
	char text[1024], quoted[2100], line[2400];
	struct timespec ts;
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (as_json) {
		clock_gettime(CLOCK_REALTIME, &ts);
		json_string(quoted, sizeof(quoted), text);
		n = snprintf(line, sizeof(line),
			     "{\"level\":%d,\"time\":%lld,\"name\":\"dataplane\",\"msg\":\"%s\"}\n",
			     (int)level, (long long)ts.tv_sec * 1000 + ts.tv_nsec / 1000000,
			     quoted);
	} else {
		n = snprintf(line, sizeof(line), "keelson-dataplane: %s%s\n", word(level), text);
	}
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody to tell */
}
