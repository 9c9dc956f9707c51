/** The program dpip: runs one command line; with -i it prints again and again. */
import type { LinkView, TableRowView } from '../../api/views.js';
import { ApiError, callApi } from '../client.js';
import { reporting, type ToolContext } from '../ipvsadm/run.js';
import { type Options, parse, type Request, usage } from './parse.js';
import { renderAddresses, renderLinks, renderNeighbours, renderRoutes } from './render.js';

type Show = Extract<Request, { kind: 'show' }>;

const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const tables = { addr: 'addresses', route: 'routes', neigh: 'neighbours' } as const;

const links = async (socket: string, device: string | null): Promise<readonly LinkView[]> => {
  const all = (await callApi(socket, 'GET', '/v1/links')) as readonly LinkView[];
  const found = all.filter((l) => device === null || l.name === device);
  if (device !== null && found.length === 0)
    throw new ApiError(
      'KS_CLI_NO_DEVICE',
      `there is no device ${device}; there is ${all.map((l) => l.name).join(', ')}`,
    );
  return found;
};

const rows = async (
  socket: string,
  s: Show,
  o: Options,
  what: keyof typeof tables,
): Promise<readonly TableRowView[]> => {
  const use = what === 'addr' && o.stats ? '&use=1' : '';
  const all = (await callApi(
    socket,
    'GET',
    `/v1/tables?name=${tables[what]}${use}`,
  )) as readonly TableRowView[];
  return all.filter(
    (r) =>
      (s.device === null || r.device === s.device || r.address === s.device) &&
      (o.family === null || r.family === o.family),
  );
};

const table = async (
  socket: string,
  s: Show,
  o: Options,
  what: keyof typeof tables,
): Promise<string> => {
  const list = await rows(socket, s, o, what);
  if (o.json) return json(list);
  if (what === 'addr') return renderAddresses(list, o.stats || o.verbose);
  return what === 'route'
    ? renderRoutes(list, await rows(socket, s, o, 'addr'))
    : renderNeighbours(list, o.verbose || o.stats);
};

/** Prints once, or `count` times with an interval. */
const again = async (o: Options, print: (turn: number) => Promise<void>): Promise<void> => {
  const turns = o.interval === null ? 1 : (o.count ?? Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < turns; turn++) {
    if (turn > 0) await pause((o.interval ?? 1) * 1000);
    await print(turn);
  }
};

const show = async (c: ToolContext, socket: string, s: Show, o: Options): Promise<void> => {
  const { what } = s;
  if (what !== 'link') return again(o, async () => c.print(await table(socket, s, o, what)));
  let before: readonly LinkView[] = [];
  return again(o, async () => {
    const now = await links(socket, s.device);
    await c.print(o.json ? json(now) : renderLinks(now, o, before, o.interval ?? 1));
    before = now;
  });
};

export const dpip = (c: ToolContext): Promise<number> =>
  reporting(c, 'dpip', async () => {
    const { request: r, options } = parse(c.argv);
    if (r.kind === 'help') return c.print(usage);
    if (r.kind === 'version') return c.print(`dpip of keelson ${c.version}\n`);
    const socket = c.socket(options.runDir);
    if (r.kind === 'show') return show(c, socket, r, options);
    await callApi(socket, 'POST', '/v1/runtime', { commands: [r.command] });
    if (r.remark !== null) c.complain(`dpip: ${r.remark}\n`);
  });
