/** Compiles a small C program against the data plane's headers and runs it, so that tests compare with the compiler and not with a copy. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { outputOf } from '../programs/programs.js';

const flags = ['-std=gnu11', '-D_GNU_SOURCE', '-I', 'native/ipc', '-I', 'native/core'];
/** What a source file refers to besides need not be there when it is never called. */
const unused = ['-ffunction-sections', '-fdata-sections', '-Wl,--gc-sections'];

/** Its standard output; `sources` are more files to compile with it. */
export const compileAndRun = (program: string, sources: readonly string[]): Buffer => {
  const dir = mkdtempSync(join(tmpdir(), 'keelson-cc-'));
  try {
    const out = join(dir, 'program');
    writeFileSync(`${out}.c`, program);
    const args = [...flags, ...unused, '-o', out, `${out}.c`, ...sources];
    outputOf([process.env['CC'] ?? 'gcc', ...args]);
    return outputOf([out]);
  } finally {
    rmSync(dir, { recursive: true });
  }
};
