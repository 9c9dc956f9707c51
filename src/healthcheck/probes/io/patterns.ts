/** The patterns of HTTP checks, by PCRE2 in the addon; each is compiled once. */
import {
  type Addon,
  type CompiledPattern,
  type PatternError,
  patternOf,
} from '../../../kernel/io/addon.js';
import type { MatchPattern, PatternResult } from '../../http.js';

/** Patterns of configurations that are gone are forgotten all at once, when there are too many. */
const maxPatterns = 20_000;

const resultOf = (found: number | null | string): PatternResult => {
  if (typeof found === 'string') return { type: 'fault', what: found };
  return found === null ? { type: 'noMatch' } : { type: 'match', start: found };
};

export function patternMatcher(addon: Addon): MatchPattern {
  const compiled = new Map<string, CompiledPattern | PatternError>();
  return (p, body) => {
    const key = `${p.options.join(' ')}\n${p.source}`;
    let pattern = compiled.get(key);
    if (pattern === undefined) {
      if (compiled.size >= maxPatterns) compiled.clear();
      pattern = patternOf(addon, p.source, p.options);
      compiled.set(key, pattern);
    }
    if (typeof pattern !== 'function')
      return { type: 'fault', what: `is not valid: ${pattern.message}` };
    return resultOf(pattern(body, p.minOffset, p.maxOffset));
  };
}
