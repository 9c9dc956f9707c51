/** The commands that ask a running node; each prints to stdout and resolves with its exit code. */
import type { DropsView, ReloadView, SessionView, StatusView } from '../api/views.js';
import { ApiError, callApi } from './client.js';
import { renderDrops, renderReload, renderSessions, renderStatus } from './render.js';

export interface AskOptions {
  readonly apiSocket: string;
  readonly json: boolean;
}

const print = (text: string): void => void process.stdout.write(text);

const asJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

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

export const status = (o: AskOptions & { readonly watch: boolean }): Promise<number> =>
  reporting(async () => {
    for (;;) {
      const view = (await callApi(o.apiSocket, 'GET', '/v1/status')) as StatusView;
      if (o.watch && !o.json) print('\u001b[H\u001b[2J');
      print(o.json ? asJson(view) : renderStatus(view, Date.now()));
      if (!o.watch) return 0;
      await sleep(1000);
    }
  });

export const sessions = (o: AskOptions & { readonly limit: number }): Promise<number> =>
  reporting(async () => {
    const rows = await callApi(o.apiSocket, 'GET', `/v1/sessions?limit=${o.limit}`);
    print(o.json ? asJson(rows) : renderSessions(rows as readonly SessionView[]));
    return 0;
  });

export const drops = (o: AskOptions & { readonly all: boolean }): Promise<number> =>
  reporting(async () => {
    const view = await callApi(o.apiSocket, 'GET', `/v1/drops${o.all ? '?all=1' : ''}`);
    print(o.json ? asJson(view) : renderDrops(view as DropsView));
    return 0;
  });

export const reload = (o: AskOptions): Promise<number> =>
  reporting(async () => {
    const view = (await callApi(o.apiSocket, 'POST', '/v1/reload')) as ReloadView;
    print(o.json ? asJson(view) : renderReload(view));
    return view.ok ? 0 : 1;
  });
