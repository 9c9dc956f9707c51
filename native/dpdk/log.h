/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of the data plane, on stderr; only the main lcore writes any. */
#ifndef KS_LOG_H
#define KS_LOG_H

#include <stdbool.h>

enum ks_level { KS_LOG_DEBUG = 20, KS_LOG_INFO = 30, KS_LOG_WARN = 40, KS_LOG_ERROR = 50 };

void ks_log_json(bool on); /* one JSON object a line, levels and field names as pino's */
__attribute__((format(printf, 2, 3))) void ks_log(enum ks_level level, const char *fmt, ...);

#endif
