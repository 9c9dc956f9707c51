/** Compiles a small C program against the data plane's headers and runs it, so that tests compare with the compiler and not with a copy. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
    execFileSync(process.env['CC'] ?? 'cc', args);
    return execFileSync(out, { maxBuffer: 16 << 20 });
  } finally {
    rmSync(dir, { recursive: true });
  }
};
