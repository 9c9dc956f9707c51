/**
 * Long answers: written in pieces, so that neither memory nor the turn of the event loop grows with them. A piece is
 * made only when the client has taken the piece before.
 */
import type { ServerResponse } from 'node:http';

/** A list that is made in batches; with a head it is the last member of an object. */
export interface Streamed<Row> {
  readonly head: object | null;
  /** Name of the list in the object; without a head it is not used. */
  readonly name: string;
  readonly batches: AsyncIterable<readonly Row[]>;
}

/** Ends the turn of the event loop. */
export const nextTurn = (): Promise<void> => new Promise((r) => setImmediate(r));

/** Rows that are made in one turn of the event loop. */
export const rowsPerTurn = 128;

/** Rows in batches, each made in a turn of its own. */
export const inTurns = async function* <T>(
  rows: Iterable<T>,
  each = rowsPerTurn,
): AsyncGenerator<readonly T[]> {
  let batch: T[] = [];
  for (const row of rows) {
    batch.push(row);
    if (batch.length < each) continue;
    yield batch;
    batch = [];
    await nextTurn();
  }
  if (batch.length > 0) yield batch;
};

/** Lines of JSON, or one JSON value with each row on a line of its own. */
export type Format = 'json' | 'lines';

const opening = (s: Streamed<unknown>): string => {
  if (s.head === null) return '[';
  const head = JSON.stringify(s.head).slice(0, -1);
  return `${head}${head === '{' ? '' : ','}${JSON.stringify(s.name)}:[`;
};

/** The pieces of text that make up an answer. */
export const pieces = async function* (
  s: Streamed<unknown>,
  format: Format,
): AsyncGenerator<string> {
  if (format === 'lines') {
    if (s.head !== null) yield `${JSON.stringify(s.head)}\n`;
    for await (const batch of s.batches)
      yield batch.map((row) => `${JSON.stringify(row)}\n`).join('');
    return;
  }
  let between = '\n';
  yield opening(s);
  for await (const batch of s.batches) {
    if (batch.length === 0) continue;
    yield `${between}${batch.map((row) => JSON.stringify(row)).join(',\n')}`;
    between = ',\n';
  }
  yield s.head === null ? '\n]\n' : '\n]}\n';
};

/** A client that takes nothing for so long is cut off. */
export const stalledMs = 30_000;

/** Resolves with false when the client is gone, or has taken nothing for too long. */
const drained = (res: ServerResponse, patienceMs: number): Promise<boolean> =>
  new Promise((resolve) => {
    const done = (ok: boolean): void => {
      clearTimeout(timer);
      res.off('drain', onDrain);
      res.off('close', onClose);
      resolve(ok);
    };
    const onDrain = (): void => done(true);
    const onClose = (): void => done(false);
    const timer = setTimeout(() => done(false), patienceMs);
    res.on('drain', onDrain);
    res.on('close', onClose);
  });

/**
 * Writes the answer. An error before the first piece rejects; one after it cuts the connection off, which a client sees
 * as an answer without its end.
 */
export const writeStream = async (
  res: ServerResponse,
  s: Streamed<unknown>,
  format: Format,
  patienceMs = stalledMs,
): Promise<void> => {
  const text = pieces(s, format);
  // The first batch comes with the opening, so that an error in it still has a status.
  const first = await text.next();
  const second = format === 'json' && first.done !== true ? await text.next() : null;
  res.writeHead(200, {
    'content-type': format === 'lines' ? 'application/x-ndjson' : 'application/json',
  });
  const opened = `${first.done === true ? '' : first.value}${second === null || second.done === true ? '' : second.value}`;
  try {
    for (let piece = opened; ; ) {
      const room = res.write(piece);
      if (res.destroyed || (!room && !(await drained(res, patienceMs)))) {
        res.destroy();
        return;
      }
      await nextTurn();
      const next = await text.next();
      if (next.done === true) break;
      piece = next.value;
    }
    res.end();
  } catch {
    res.destroy();
  } finally {
    await text.return(undefined);
  }
};
