/** What `keelson check` would warn of, in the log of a node that starts or reloads. */
import { type Diagnostic, summary } from '../config/diagnostics.js';

interface Log {
  readonly warn: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

const most = 50;

/** One line for each warning, and one that sums up when there are more. */
export const logWarnings = (log: Log, diagnostics: readonly Diagnostic[]): void => {
  const warnings = diagnostics.filter((d) => d.severity === 'warning');
  for (const { place, code, message, hint } of warnings.slice(0, most))
    log.warn(
      { code, file: place.file, line: place.line, ...(hint === null ? {} : { hint }) },
      message,
    );
  if (warnings.length > most)
    log.warn({}, `${summary(diagnostics)}; \`keelson check\` lists them all`);
};
