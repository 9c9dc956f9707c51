/** ipvsadm and dpip against a node of a lab, as a person types them. */
import { fileURLToPath } from 'node:url';
import { askProgram } from '../programs/programs.js';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Tools {
  /** One command line; fails unless it exits with 0. */
  readonly sh: (line: string, input?: string) => string;
  /** One command line, however it ends. */
  readonly ask: (line: string, input?: string) => Said;
  /** Command lines parted by `;` or a new line. */
  readonly sheet: (lines: string) => void;
}

const program = (name: string): string =>
  fileURLToPath(new URL(`../../../../bin/${name}`, import.meta.url));

export const toolsOf = (runDir: string): Tools => {
  const ask = (line: string, input = ''): Said => {
    const [name = '', ...argv] = line.trim().split(/\s+/);
    const r = askProgram([process.execPath, program(name), ...argv], {
      input,
      timeout: 30_000,
      env: { ...process.env, DPVS_IPC_FILE: runDir },
    });
    return { code: r.status ?? -1, out: r.stdout, err: r.stderr };
  };
  const sh = (line: string, input?: string): string => {
    const r = ask(line, input);
    if (r.code !== 0) throw new Error(`${line}: exit ${r.code}: ${r.err}`);
    return r.out;
  };
  return {
    ask,
    sh,
    sheet: (lines) => {
      for (const line of lines.split(/[;\n]/)) if (line.trim() !== '') sh(line);
    },
  };
};
