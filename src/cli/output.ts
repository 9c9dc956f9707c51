/** Writing to standard output: no more is made than its reader takes. */
import { once } from 'node:events';

export type Print = (text: string) => void | Promise<void>;

/** Resolves when there is room for more. */
export const print = async (text: string): Promise<void> => {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
};

/** A reader that goes away, as `head` does, ends the program without a complaint. */
export const endWithReader = (): void =>
  void process.stdout.on('error', (e: NodeJS.ErrnoException) =>
    process.exit(e.code === 'EPIPE' ? 0 : 1),
  );

export const asJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A list as JSON, printed while it arrives. */
export const printList = async (
  out: Print,
  batches: AsyncIterable<readonly unknown[]>,
): Promise<void> => {
  let between = '[\n';
  for await (const batch of batches) {
    if (batch.length === 0) continue;
    await out(`${between}${batch.map((v) => JSON.stringify(v)).join(',\n')}`);
    between = ',\n';
  }
  await out(between === ',\n' ? '\n]\n' : '[]\n');
};
