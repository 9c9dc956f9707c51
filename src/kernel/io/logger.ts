/** The one logger of a process: pino, JSON lines for machines, short lines for a terminal. */
import pino from 'pino';
import { openSink, type Sink } from './log-sink.js';
import { textLine } from './log-text.js';

export type Logger = pino.Logger;

export interface LogOptions {
  readonly level: string;
  readonly format: 'json' | 'text';
  /** null: standard output. */
  readonly file: string | null;
}

export interface ProcessLog {
  readonly log: Logger;
  readonly sink: Sink;
}

const droppedLine =
  (format: LogOptions['format']) =>
  (count: number, why: string): string => {
    const line = JSON.stringify({
      level: 40,
      time: Date.now(),
      pid: process.pid,
      dropped: count,
      msg: `${count} log lines were dropped: ${why}`,
    });
    return format === 'json' ? `${line}\n` : textLine(line);
  };

export const openLogger = (o: LogOptions): ProcessLog => {
  const sink = openSink({ file: o.file, droppedLine: droppedLine(o.format) });
  const write =
    o.format === 'json' ? sink.write : (line: string): void => sink.write(textLine(line));
  return { log: pino({ level: o.level, base: { pid: process.pid } }, { write }), sink };
};

export const createLogger = (o: LogOptions): Logger => openLogger(o).log;

/**
 * What nobody handled. A rejected promise is logged and survived: the state of the loop is sound. An
 * exception that reached the loop may have left a half-done step behind: `onException` decides.
 */
export const logUnhandled = ({ log, sink }: ProcessLog, onException: 'end' | 'survive'): void => {
  process.on('unhandledRejection', (e) => {
    log.error({ err: e }, `a promise was rejected and nobody handled it: ${String(e)}`);
  });
  process.on('uncaughtException', (e) => {
    log.fatal({ err: e }, `an exception nobody handled: ${String(e)}`);
    if (onException === 'survive') return;
    sink.flush();
    process.exit(70);
  });
  process.on('exit', () => sink.flush());
};
