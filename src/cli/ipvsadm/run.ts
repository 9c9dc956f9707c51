/**
 * The program ipvsadm: runs one command line. Exit code 0: done, 1: refused by the node, 2: the command
 * line was not understood.
 */
import type {
  RuntimeCommand,
  RuntimeView,
  ServicesView,
  ServiceView,
  ServiceWords,
  SessionView,
  TransactionView,
} from '../../api/views.js';
import { ApiError, callApi, readLines, sendLines } from '../client.js';
import { endpoint } from '../endpoint.js';
import { type Print, printList } from '../output.js';
import { UsageError } from '../usage.js';
import { type Listing, type Parsed, parse, parseSaved, type Request } from './parse.js';
import {
  between,
  type CountedService,
  inOrder,
  renderCounts,
  renderLocals,
  renderServices,
  renderSessions,
  renderThresholds,
  renderTimeouts,
} from './render.js';
import { save, saveFiles } from './save.js';
import { words } from './words.js';

export interface ToolContext {
  readonly argv: readonly string[];
  readonly version: string;
  /** From --run-dir or the environment; throws UsageError. */
  readonly socket: (runDir: string | null) => string;
  readonly print: Print;
  readonly complain: (text: string) => void;
  readonly input: () => Promise<string>;
}

const rateMs = 1000;

const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
const pause = (ms: number): Promise<void> => new Promise((r) => setTimeout(r, ms));

/** Whether two names mean the same service; addresses are compared as the node writes them. */
const isThat = (s: ServiceView, wanted: ServiceWords | null): boolean =>
  wanted === null ||
  (s.service.protocol === wanted.protocol &&
    (wanted.match === null
      ? s.service.address.toLowerCase() === wanted.address.toLowerCase() &&
        s.service.port === wanted.port
      : s.service.match !== null &&
        JSON.stringify(wanted.match) ===
          JSON.stringify({ ...s.service.match, family: wanted.match.family })));

const nameOf = (s: ServiceWords): string =>
  s.match === null
    ? `${s.protocol} ${endpoint(s.address, s.port)}`
    : `-H ${JSON.stringify(s.match)}`;

const only = (v: ServicesView, wanted: ServiceWords | null): readonly ServiceView[] => {
  const found = v.services.filter((s) => isThat(s, wanted));
  if (wanted !== null && found.length === 0)
    throw new ApiError('KS_CLI_NO_SERVICE', `there is no service ${nameOf(wanted)}`);
  return found;
};

const services = async (socket: string): Promise<ServicesView> =>
  (await callApi(socket, 'GET', '/v1/services')) as ServicesView;

const counted = (list: readonly ServiceView[]): readonly CountedService[] =>
  list.map((view) => ({
    view,
    servers: view.realServers.map((r) => ({ view: r, counts: r })),
  }));

/** Two readings a second apart. */
const rated = async (
  socket: string,
  first: ServicesView,
  l: Listing,
): Promise<readonly CountedService[]> => {
  const begun = performance.now();
  await pause(rateMs);
  const second = await services(socket);
  const seconds = (performance.now() - begun) / 1000;
  const before = new Map(
    first.services.flatMap((s) =>
      s.realServers.map((r) => [`${s.key} ${r.address} ${r.port}`, r] as const),
    ),
  );
  const list = only(second, l.service);
  return (l.nosort ? list : inOrder(list)).map((view) => ({
    view,
    servers: view.realServers.map((r) => ({
      view: r,
      counts: between(r, before.get(`${view.key} ${r.address} ${r.port}`), seconds),
    })),
  }));
};

/** PROTO:CLIENT:PORT:VIP:PORT, IPv6 in brackets. */
const sockpair = (text: string) => {
  const m = /^(tcp|udp|sctp|icmp):(\[[^\]]+\]|[^:]+):(\d+):(\[[^\]]+\]|[^:]+):(\d+)$/i.exec(text);
  if (m === null)
    throw new UsageError(
      `--sockpair: found '${text}', expected PROTO:CLIENT:PORT:VIP:PORT, IPv6 in brackets`,
    );
  const [, protocol = '', client = '', cport = '', vip = '', vport = ''] = m;
  const plain = (a: string): string => a.replace(/^\[|\]$/g, '');
  return {
    protocol: protocol.toLowerCase(),
    client: endpoint(plain(client), cport),
    vip: endpoint(plain(vip), vport),
  };
};

/** Those of a page that were asked for. */
const wantedOf = function* (
  rows: readonly SessionView[],
  wanted: (r: SessionView) => boolean,
): Generator<SessionView> {
  for (const r of rows) if (wanted(r)) yield r;
};

/** Printed while they arrive: there may be millions. */
const listSessions = async (c: ToolContext, socket: string, l: Listing): Promise<void> => {
  const pair = l.sockpair === null ? null : sockpair(l.sockpair);
  const query = new URLSearchParams({ limit: '0' });
  if (pair !== null) {
    query.set('client', pair.client);
    query.set('vip', pair.vip);
  }
  const vip =
    l.service === null || l.service.match !== null
      ? null
      : `${l.service.protocol.toLowerCase()} ${endpoint(l.service.address, String(l.service.port))}`;
  const wanted = (r: SessionView): boolean =>
    (pair === null || r.protocol === pair.protocol) &&
    (vip === null || `${r.protocol} ${r.vip}` === vip);
  const batches = async function* (): AsyncGenerator<readonly SessionView[]> {
    const pages = readLines(socket, `/v1/sessions?${query.toString()}`);
    for await (const page of pages) yield [...wantedOf(page as readonly SessionView[], wanted)];
  };
  if (l.json) return printList(c.print, batches());
  for await (const rows of batches()) await c.print(renderSessions(rows));
};

const list = async (c: ToolContext, socket: string, l: Listing): Promise<void> => {
  if (l.show === 'sessions') return listSessions(c, socket, l);
  const v = await services(socket);
  const found = only(v, l.service);
  const shown = l.nosort ? found : inOrder(found);
  if (l.show === 'rate') {
    const rates = await rated(socket, v, l);
    await c.print(l.json ? json(rates) : renderCounts(v, rates, 'rate', l.exact));
  } else if (l.json)
    await c.print(json(l.show === 'timeouts' ? v.timeouts : { ...v, services: shown }));
  else if (l.show === 'timeouts') await c.print(renderTimeouts(v));
  else if (l.show === 'thresholds') await c.print(renderThresholds(v, shown));
  else if (l.show === 'stats') await c.print(renderCounts(v, counted(shown), 'stats', l.exact));
  else await c.print(renderServices(v, shown));
};

const locals = async (
  c: ToolContext,
  socket: string,
  r: Extract<Request, { kind: 'locals' }>,
): Promise<void> => {
  const v = (await callApi(socket, 'GET', '/v1/services?use=1')) as ServicesView;
  const shown = inOrder(only(v, r.service)).filter(
    (s) => r.service !== null || s.localAddresses.length > 0,
  );
  const flat = shown.map((s) => ({ service: s.name, localAddresses: s.localAddresses }));
  await c.print(r.json ? json(flat) : renderLocals(shown));
};

const send = async (socket: string, commands: readonly RuntimeCommand[]): Promise<void> => {
  const view = (await sendLines(socket, '/v1/runtime', commands)) as TransactionView;
  if (typeof view.generation !== 'number')
    throw new ApiError('KS_CLI_ANSWER', 'the node did not name the generation');
};

/** -C does not delete the services of the files; reports how many there are. */
const reportFiles = async (c: ToolContext, socket: string): Promise<void> => {
  const files = (await services(socket)).services.filter((s) => s.file !== null).length;
  if (files > 0)
    c.complain(
      files === 1
        ? '1 service stays: it is in the configuration files\n'
        : `${files} services stay: they are in the configuration files\n`,
    );
};

const restore = async (c: ToolContext, socket: string): Promise<void> => {
  const saved = parseSaved(await c.input());
  try {
    await send(
      socket,
      saved.map((s) => s.command),
    );
  } catch (e) {
    const line = e instanceof ApiError && e.index !== null ? saved[e.index]?.line : undefined;
    if (!(e instanceof ApiError) || line === undefined) throw e;
    throw new ApiError(e.code, `line ${line}: ${e.message}; nothing changed`, e);
  }
};

const saveAll = async (c: ToolContext, socket: string, isJson: boolean): Promise<void> => {
  const view = (await callApi(socket, 'GET', '/v1/runtime')) as RuntimeView;
  const { commands } = view;
  if (isJson) return c.print(json(view));
  return c.print(saveFiles((await services(socket)).services) + save(commands));
};

const help = (): string => {
  const row = (name: string, text: string): string => `  ${name.padEnd(26)} ${text}\n`;
  return [
    'ipvsadm COMMAND [WORDS]: services of a running node\n',
    ...words
      .filter((w) => w.missing === null)
      .map((w) =>
        row(
          [w.short === null ? '' : `-${w.short}`, w.long === null ? '' : `--${w.long}`]
            .filter((n) => n !== '')
            .join(', '),
          w.help,
        ),
      ),
  ].join('');
};

const carryOut = async (c: ToolContext, { request: r, runDir }: Parsed): Promise<void> => {
  const socket = r.kind === 'help' || r.kind === 'version' ? '' : c.socket(runDir);
  switch (r.kind) {
    case 'help':
      return c.print(help());
    case 'version':
      return c.print(`ipvsadm of keelson ${c.version}\n`);
    case 'change':
      await send(socket, r.commands);
      if (r.commands.some((x) => x.op === 'service.clear')) await reportFiles(c, socket);
      return;
    case 'list':
      return list(c, socket, r);
    case 'locals':
      return locals(c, socket, r);
    case 'zero': {
      const name =
        r.service === null ? null : (only(await services(socket), r.service)[0]?.name ?? null);
      const before = await callApi(socket, 'POST', '/v1/services/zero', { service: name });
      if (r.json) await c.print(json(before));
      return;
    }
    case 'save':
      return saveAll(c, socket, r.json);
    case 'restore':
      return restore(c, socket);
  }
};

/** Runs a tool's body; a usage error or a refusal becomes one line and an exit code. */
export const reporting = async (
  c: ToolContext,
  name: string,
  body: () => Promise<void>,
): Promise<number> => {
  try {
    await body();
    return 0;
  } catch (e) {
    if (!(e instanceof UsageError) && !(e instanceof ApiError)) throw e;
    c.complain(`${name}: ${e.message}\n`);
    // A request the node could not read was not understood, like one that was not sent.
    return e instanceof UsageError || e.code === 'KS_API_BODY' ? 2 : 1;
  }
};

export const ipvsadm = (c: ToolContext): Promise<number> =>
  reporting(c, 'ipvsadm', () => carryOut(c, parse(c.argv)));
