/** Whether the pattern of a check can be compiled by what will run it. */
import type { PatternCheck } from '../config/values.js';
import { loadAddon } from '../kernel/io/addon.js';

interface WithPatterns {
  readonly patternCompile: (
    source: string,
    options: readonly string[],
    bounds: {
      readonly matchLimit: number;
      readonly depthLimit: number;
      readonly heapKib: number;
      readonly cpuMs: number;
    },
  ) => unknown;
}

const bounds = { matchLimit: 1000, depthLimit: 100, heapKib: 64, cpuMs: 1 };

const compiles = (addon: object): addon is WithPatterns => 'patternCompile' in addon;

const reasonOf = (compiled: unknown): string | null =>
  typeof compiled === 'object' && compiled !== null && 'message' in compiled
    ? String(compiled.message)
    : null;

/** Without the addon nothing can be said, and every pattern is taken. */
export const patternCheck = (): PatternCheck => {
  const addon = loadAddon();
  if (typeof addon === 'string' || !compiles(addon)) return () => null;
  return (source, options) => {
    try {
      return reasonOf(addon.patternCompile(source, options, bounds));
    } catch (e) {
      return e instanceof Error ? e.message : String(e);
    }
  };
};
