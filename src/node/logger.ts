/** The one logger of a process: pino, JSON lines for machines, short lines when a person looks at a terminal. */
import { createWriteStream } from 'node:fs';
import pino from 'pino';

export type Logger = pino.Logger;

export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'text';
  readonly file: string | null;
}

const levelNames: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

const hidden = new Set(['level', 'time', 'pid', 'msg', 'component', 'name']);

/** `12:00:01.250 info  vrrp: (VI_1) Entering BACKUP STATE` */
const asText = (line: string): string => {
  const o = JSON.parse(line) as Record<string, unknown>;
  const at = new Date(Number(o['time'])).toISOString().slice(11, 23);
  const level = (levelNames[Number(o['level'])] ?? 'info').padEnd(5);
  const rest = Object.entries(o)
    .filter(([k]) => !hidden.has(k))
    .map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`)
    .join('');
  const where = o['component'] === undefined ? '' : `${String(o['component'])}: `;
  return `${at} ${level} ${where}${String(o['msg'])}${rest}\n`;
};

export const createLogger = (o: LogOptions): Logger => {
  const out = o.file === null ? process.stdout : createWriteStream(o.file, { flags: 'a' });
  const stream =
    o.format === 'json' ? out : { write: (line: string) => void out.write(asText(line)) };
  return pino({ level: o.level, base: { pid: process.pid } }, stream);
};
