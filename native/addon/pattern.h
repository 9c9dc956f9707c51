// SPDX-License-Identifier: Apache-2.0
// Regular expressions by PCRE2, with bounds on what a match may cost.
#ifndef KEELSON_PATTERN_H
#define KEELSON_PATTERN_H

#include <napi.h>

namespace keelson
{

void AddPatterns(Napi::Env env, Napi::Object exports);

} // namespace keelson

#endif
