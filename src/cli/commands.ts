/** The commands that ask a running node; each prints to stdout and resolves with its exit code. */
import type {
  DropsView,
  ReloadView,
  SessionView,
  StatusView,
  VirtualServerView,
} from '../api/views.js';
import { ApiError, callApi, hasEnded, readLines } from './client.js';
import { asJson, type Print, printList } from './output.js';
import { renderDrops, renderReload, sessionLines } from './render.js';
import { renderHead, renderVirtualServer, renderWatch, type StatusHead } from './status.js';
import type { Screen } from './terminal.js';

export interface AskOptions {
  readonly apiSocket: string;
  readonly json: boolean;
  readonly print: Print;
  /** Its size now. */
  readonly screen: () => Screen;
}

/** Runs `body`; an ApiError becomes one line on stderr and exit code 1. */
const reporting = async (body: () => Promise<number>): Promise<number> => {
  try {
    return await body();
  } catch (e) {
    if (!(e instanceof ApiError)) throw e;
    process.stderr.write(`keelson: ${e.message}\n`);
    return 1;
  }
};

const sleep = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** Values of an answer of lines: the head, then the rows. */
const valuesOf = async function* (socket: string, path: string): AsyncGenerator<unknown> {
  for await (const values of readLines(socket, path)) yield* values;
};

const statusAsText = async (o: AskOptions): Promise<void> => {
  let isHead = true;
  const now = Date.now();
  for await (const value of valuesOf(o.apiSocket, '/v1/status')) {
    const text = isHead
      ? renderHead(value as StatusHead, now, o.screen())
      : renderVirtualServer(value as VirtualServerView, now, o.screen());
    isHead = false;
    await o.print(text);
  }
};

/** One object whose virtual servers are printed while they arrive. */
const statusAsJson = async (o: AskOptions): Promise<void> => {
  let between = '';
  for await (const value of valuesOf(o.apiSocket, '/v1/status')) {
    if (between === '') {
      const head = asJson({ ...(value as StatusHead), virtualServers: [] });
      await o.print(head.replace(/\]\n\}\n$/, ''));
      between = '\n    ';
      continue;
    }
    await o.print(`${between}${JSON.stringify(value)}`);
    between = ',\n    ';
  }
  await o.print(between.startsWith(',') ? '\n  ]\n}\n' : ']\n}\n');
};

const clear = '\u001b[H\u001b[2J';

/** One screen of the status. */
const watched = async (o: AskOptions, screen: Screen): Promise<void> => {
  const services = screen.rows ?? 24;
  const path = `/v1/status?services=${services}&first=wrong`;
  const view = (await callApi(o.apiSocket, 'GET', path)) as StatusView;
  await o.print(`${screen.rows === null ? '' : clear}${renderWatch(view, Date.now(), screen)}`);
};

/** Goes on when the node ends or its controller is restarted, until somebody ends it. */
const watch = async (o: AskOptions): Promise<never> => {
  for (;;) {
    const screen = o.screen();
    try {
      if (o.json) await statusAsJson(o);
      else await watched(o, screen);
    } catch (e) {
      if (!(e instanceof ApiError) || !hasEnded(e)) throw e;
      const text = `${new Date().toLocaleTimeString('en-GB')} not running, waiting: ${e.message}\n`;
      if (o.json) process.stderr.write(text);
      else await o.print(`${screen.rows === null ? '' : clear}${text}`);
    }
    await sleep(1000);
  }
};

export const status = (o: AskOptions & { readonly watch: boolean }): Promise<number> =>
  reporting(async () => {
    if (o.watch) return watch(o);
    await (o.json ? statusAsJson(o) : statusAsText(o));
    return 0;
  });

export const sessions = (o: AskOptions & { readonly limit: number }): Promise<number> =>
  reporting(async () => {
    const batches = readLines(o.apiSocket, `/v1/sessions?limit=${o.limit}`);
    if (o.json) {
      await printList(o.print, batches);
      return 0;
    }
    let lines: ReturnType<typeof sessionLines>['lines'] | null = null;
    let n = 0;
    for await (const batch of batches as AsyncIterable<readonly SessionView[]>) {
      if (lines === null) {
        const first = sessionLines(batch, o.screen());
        lines = first.lines;
        await o.print(first.head);
      }
      n += batch.length;
      await o.print(lines(batch));
    }
    if (n === 0) await o.print('no sessions\n');
    else if (n === o.limit)
      process.stderr.write(`keelson: the first ${n} sessions; --limit 0 shows all\n`);
    return 0;
  });

export const drops = (o: AskOptions & { readonly all: boolean }): Promise<number> =>
  reporting(async () => {
    const view = await callApi(o.apiSocket, 'GET', `/v1/drops${o.all ? '?all=1' : ''}`);
    await o.print(o.json ? asJson(view) : renderDrops(view as DropsView, o.screen()));
    return 0;
  });

export const reload = (o: AskOptions): Promise<number> =>
  reporting(async () => {
    const view = (await callApi(o.apiSocket, 'POST', '/v1/reload')) as ReloadView;
    await o.print(o.json ? asJson(view) : renderReload(view));
    return view.ok ? 0 : 1;
  });
