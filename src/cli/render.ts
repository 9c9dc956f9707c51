/** Answers of the API that are short: sessions, drops, reload. Pure. */
import type { DropsView, ReloadView, SessionView } from '../api/views.js';
import { explain } from './drops.js';
import { type Cell, tableLines } from './table.js';
import { plain, type Screen, wrap } from './terminal.js';

const sessionHead = [
  'worker',
  'proto',
  'expires',
  'state',
  'client',
  'virtual server',
  'local',
  'real server',
] as const;

const sessionCells = (r: SessionView): readonly string[] => [
  String(r.worker),
  r.protocol,
  `${Math.ceil(r.expiresMs / 1000)}s`,
  r.state,
  r.client,
  r.vip,
  r.lip,
  r.realServer,
];

/** Lines of one batch of sessions; the widths of the first batch are those of all. */
export type SessionLines = (rows: readonly SessionView[]) => string;

/** Where everything does not fit in a line: the way in, and below it the way out. */
const inSeveralLines =
  (room: number): SessionLines =>
  (rows) => {
    const way = (from: string, to: string): string =>
      from.length + to.length + 6 <= room ? `  ${from} -> ${to}\n` : `  ${from}\n    -> ${to}\n`;
    return rows
      .map((r) => {
        const seconds = Math.ceil(r.expiresMs / 1000);
        const head = `[${r.worker}] ${r.protocol} ${r.state} ${seconds}s\n`;
        return head + way(r.client, r.vip) + way(r.lip, r.realServer);
      })
      .join('');
  };

export const sessionLines = (
  first: readonly SessionView[],
  screen: Screen,
): { readonly head: string; readonly lines: SessionLines } => {
  const cells = [sessionHead, ...first.map(sessionCells)];
  const widths = sessionHead.map((_, i) => Math.max(...cells.map((c) => c[i]?.length ?? 0)));
  // Without worker and local address, which matter least, a line is shorter.
  const all = widths.map((_, i) => i);
  const few = all.filter((i) => i !== 0 && i !== 6);
  const length = (columns: readonly number[]): number =>
    columns.reduce((n, i) => n + (widths[i] ?? 0) + 2, -2);
  const room = screen.columns ?? Number.POSITIVE_INFINITY;
  const columns = [all, few].find((c) => length(c) <= room);
  if (columns === undefined) return { head: '', lines: inSeveralLines(room) };
  const line = (row: readonly string[]): string =>
    `${columns
      .map((i) => (row[i] ?? '').padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd()}\n`;
  return {
    head: line(sessionHead),
    lines: (rows) => rows.map((r) => line(sessionCells(r))).join(''),
  };
};

export const renderSessions = (rows: readonly SessionView[], screen: Screen = plain): string => {
  if (rows.length === 0) return 'no sessions\n';
  const { head, lines } = sessionLines(rows, screen);
  return head + lines(rows);
};

/** Names of the columns of `perWorker`: the workers, and the main lcore as the last one. */
const workerHeads = (n: number): readonly string[] =>
  Array.from({ length: n }, (_, i) => (i === n - 1 ? 'main' : `worker ${i}`));

export const renderDrops = (d: DropsView, screen: Screen = plain): string => {
  if (d.drops.length === 0) return 'nothing was dropped\n';
  const workers = Math.max(...d.drops.map((r) => r.perWorker.length));
  const rows: readonly (readonly Cell[])[] = [
    ['reason', 'packets', ...workerHeads(workers), 'meaning'],
    ...d.drops.map((r) => [
      r.reason,
      String(r.total),
      ...r.perWorker.map(String),
      explain(r.reason).means,
    ]),
  ];
  // With many workers the sums remain; --json has every worker.
  const spare = Array.from({ length: workers }, (_, i) => 2 + i);
  const lines = tableLines(rows, { screen, spare, least: 55 });
  const remedies = d.drops.flatMap((r) => {
    const { remedy } = explain(r.reason);
    return remedy === null || r.total === 0 ? [] : wrap(screen, `${r.reason}: ${remedy}`);
  });
  return [...lines, ...(remedies.length === 0 ? [] : ['', ...remedies])]
    .map((l) => `${l}\n`)
    .join('');
};

export const renderReload = (r: ReloadView): string => {
  const outcome = r.ok ? 'reloaded' : 'not reloaded; the running configuration stays in force';
  const nothing = r.ok && r.changes.length === 0 ? ': nothing changed' : '';
  return `${r.text}${outcome}${nothing}\n${r.changes.map((c) => `  ${c}\n`).join('')}`;
};
