// SPDX-License-Identifier: Apache-2.0
// Regular expressions by PCRE2. A subject may be written by a stranger, so a match is bounded in
// backtracking, depth, memory and CPU time. PCRE2 bounds the first three by itself, but only for
// each place where a match may begin. The CPU time of the whole search is read in callouts, which
// PCRE2 makes before each item of the pattern, and between windows of the subject, because a single
// item may run over all of it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "pattern.h"

#include <pcre2.h>
#include <time.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "convert.h"

namespace keelson
{
namespace
{

// Places where a match may begin, in one call of PCRE2.
constexpr size_t kWindow = 256;
// Reading the CPU clock costs as much as some hundred callouts.
constexpr uint32_t kCalloutsPerLook = 1024;
constexpr int kOverTime = 1; // a callout's answer; PCRE2's own errors are negative

struct Option {
	const char *name;
	uint32_t flag;
};

// keepalived's names.
constexpr Option kOptions[] = {
	{ "allow_empty_class", PCRE2_ALLOW_EMPTY_CLASS },
	{ "alt_bsux", PCRE2_ALT_BSUX },
	{ "alt_circumflex", PCRE2_ALT_CIRCUMFLEX },
	{ "alt_verbnames", PCRE2_ALT_VERBNAMES },
	{ "anchored", PCRE2_ANCHORED },
	{ "auto_callout", PCRE2_AUTO_CALLOUT },
	{ "caseless", PCRE2_CASELESS },
	{ "dollar_endonly", PCRE2_DOLLAR_ENDONLY },
	{ "dotall", PCRE2_DOTALL },
	{ "dupnames", PCRE2_DUPNAMES },
	{ "endanchored", PCRE2_ENDANCHORED },
	{ "extended", PCRE2_EXTENDED },
	{ "extended_more", PCRE2_EXTENDED_MORE },
	{ "firstline", PCRE2_FIRSTLINE },
	{ "literal", PCRE2_LITERAL },
	{ "match_unset_backref", PCRE2_MATCH_UNSET_BACKREF },
	{ "multiline", PCRE2_MULTILINE },
	{ "never_backslash_c", PCRE2_NEVER_BACKSLASH_C },
	{ "never_ucp", PCRE2_NEVER_UCP },
	{ "never_utf", PCRE2_NEVER_UTF },
	{ "no_auto_capture", PCRE2_NO_AUTO_CAPTURE },
	{ "no_auto_possess", PCRE2_NO_AUTO_POSSESS },
	{ "no_dotstar_anchor", PCRE2_NO_DOTSTAR_ANCHOR },
	{ "no_start_optimize", PCRE2_NO_START_OPTIMIZE },
	{ "ucp", PCRE2_UCP },
	{ "ungreedy", PCRE2_UNGREEDY },
	{ "use_offset_limit", PCRE2_USE_OFFSET_LIMIT },
	{ "utf", PCRE2_UTF },
};

struct Bounds {
	uint32_t match;
	uint32_t depth;
	uint32_t heap_kib;
	uint32_t cpu_ms;
};

struct Budget {
	int64_t until_ns;
	uint32_t callouts;
};

template <typename T, void (*Free)(T *)> struct Freed {
	void operator()(T *p) const
	{
		Free(p);
	}
};
template <typename T, void (*Free)(T *)> using Owned = std::unique_ptr<T, Freed<T, Free>>;

int64_t CpuNow()
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

int OnCallout(pcre2_callout_block *, void *data)
{
	auto *budget = static_cast<Budget *>(data);

	if (++budget->callouts % kCalloutsPerLook != 0)
		return 0;
	return CpuNow() > budget->until_ns ? kOverTime : 0;
}

std::string MessageOf(int code)
{
	PCRE2_UCHAR text[256];

	if (pcre2_get_error_message(code, text, sizeof(text)) < 0)
		return "error " + std::to_string(code);
	return reinterpret_cast<const char *>(text);
}

class Pattern
{
public:
	Pattern(pcre2_code *code, bool is_utf, const Bounds &b)
		: code_(code), context_(pcre2_match_context_create(nullptr)),
		  data_(pcre2_match_data_create(1, nullptr)), is_utf_(is_utf), cpu_ms_(b.cpu_ms)
	{
		pcre2_set_match_limit(context_.get(), b.match);
		pcre2_set_depth_limit(context_.get(), b.depth);
		pcre2_set_heap_limit(context_.get(), b.heap_kib);
		pcre2_set_callout(context_.get(), OnCallout, &budget_);
	}

	// Where a match begins, from `from` up to `to`; -1: nowhere. Else the error goes to
	// `fault`.
	int64_t Search(const uint8_t *s, size_t length, size_t from, size_t to, std::string *fault)
	{
		budget_ = { CpuNow() + int64_t(cpu_ms_) * 1000000, 0 };
		for (size_t at = from; at <= std::min(to, length);) {
			size_t last = std::min({ at + kWindow - 1, to, length });
			int rc;

			pcre2_set_offset_limit(context_.get(), last);
			rc = pcre2_match(code_.get(), s, length, at, 0, data_.get(),
					 context_.get());
			if (rc >= 0)
				return int64_t(pcre2_get_ovector_pointer(data_.get())[0]);
			if (rc != PCRE2_ERROR_NOMATCH && rc != kOverTime) {
				*fault = MessageOf(rc);
				return -1;
			}
			if (CpuNow() > budget_.until_ns)
				return OverTime(fault);
			at = last + 1;
			// A search must not begin inside of a character.
			while (is_utf_ && at < length && (s[at] & 0xc0) == 0x80)
				at++;
		}
		return -1;
	}

private:
	int64_t OverTime(std::string *fault) const
	{
		*fault = "takes more than " + std::to_string(cpu_ms_) + " ms of CPU time";
		return -1;
	}

	Owned<pcre2_code, pcre2_code_free> code_;
	Owned<pcre2_match_context, pcre2_match_context_free> context_;
	Owned<pcre2_match_data, pcre2_match_data_free> data_;
	Budget budget_{};
	bool is_utf_;
	uint32_t cpu_ms_;
};

uint32_t FlagsOf(Napi::Env env, const Napi::Value &v)
{
	uint32_t flags = 0;

	if (!v.IsArray())
		throw Napi::TypeError::New(env, "options must be an array");
	Napi::Array names = v.As<Napi::Array>();
	for (uint32_t i = 0; i < names.Length(); i++) {
		std::string name = names.Get(i).ToString().Utf8Value();
		auto known = std::find_if(std::begin(kOptions), std::end(kOptions),
					  [&](const Option &o) { return name == o.name; });

		if (known == std::end(kOptions))
			throw Napi::TypeError::New(env, "unknown option " + name);
		flags |= known->flag;
	}
	return flags;
}

Napi::Value Match(const Napi::CallbackInfo &info, const std::shared_ptr<Pattern> &pattern)
{
	Napi::Env env = info.Env();
	Napi::Uint8Array subject = BytesArgument(info, 0, "subject");
	int from = IntArgument(info, 1, "from");
	bool bounded = !info[2].IsNull();
	size_t to =
		bounded ? size_t(std::max(0, IntArgument(info, 2, "to"))) : subject.ByteLength();
	std::string fault;
	int64_t start = pattern->Search(subject.Data(), subject.ByteLength(),
					size_t(std::max(0, from)), to, &fault);

	if (!fault.empty())
		return Napi::String::New(env, fault);
	if (start < 0)
		return env.Null();
	return Napi::Number::New(env, double(start));
}

// patternCompile(source, options, { matchLimit, depthLimit, heapKib, cpuMs })
//   -> match(subject, from, to | null): number | null | string, or { offset, message }
Napi::Value PatternCompile(const Napi::CallbackInfo &info)
{
	Napi::Env env = info.Env();
	std::string source = TextArgument(info, 0, "source");
	uint32_t flags = FlagsOf(env, info[1]);
	Napi::Object o = ObjectArgument(info, 2, "bounds");
	Bounds bounds = { uint32_t(IntProperty(o, "matchLimit")),
			  uint32_t(IntProperty(o, "depthLimit")),
			  uint32_t(IntProperty(o, "heapKib")), uint32_t(IntProperty(o, "cpuMs")) };
	int code = 0;
	PCRE2_SIZE offset = 0;
	pcre2_code *compiled =
		pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(),
			      flags | PCRE2_AUTO_CALLOUT | PCRE2_USE_OFFSET_LIMIT, &code, &offset,
			      nullptr);

	if (compiled == nullptr) {
		Napi::Object error = Napi::Object::New(env);

		error.Set("offset", double(offset));
		error.Set("message", MessageOf(code));
		return error;
	}
	uint32_t all = 0;
	pcre2_pattern_info(compiled, PCRE2_INFO_ALLOPTIONS, &all);
	auto pattern = std::make_shared<Pattern>(compiled, (all & PCRE2_UTF) != 0, bounds);

	return Napi::Function::New(
		env, [pattern](const Napi::CallbackInfo &call) { return Match(call, pattern); },
		"match");
}

} // namespace

void AddPatterns(Napi::Env env, Napi::Object exports)
{
	exports.Set("patternCompile", Napi::Function::New(env, PatternCompile));
}

} // namespace keelson
