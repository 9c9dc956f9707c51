/**
 * `keelson status` as text. Pure: `now` comes in. The sections stand in the order in which somebody looks for a fault: does the node
 * serve, what is wrong with it, who is active, which addresses are announced, which servers are out.
 */
import type {
  LeaseView,
  ProcessView,
  RealServerView,
  StatusView,
  VirtualServerView,
  VrrpView,
} from '../api/views.js';
import { endpoint } from './endpoint.js';
import { type Cell, tableLines } from './table.js';
import { paint, plain, type Screen, type Style, wrap } from './terminal.js';

/** A StatusView while its virtual servers still arrive. */
export type StatusHead = Omit<StatusView, 'virtualServers'>;

/** `3s`, `4m10s`, `2h05m`, `3d04h` */
export const ago = (since: string, nowMs: number): string => {
  const s = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3600) % 24)}h`;
};

type Lines = readonly string[];

// ---- the node

/** What refused new sessions, and what to do about it. */
const noRoom = (s: Screen, { noRoom: n }: StatusView['dataplane']): Lines =>
  (
    [
      [n.localPorts, 'no local port left towards the real server', 'add local addresses'],
      [n.sessionTable, 'session table full', 'raise conn_pool_size in dpvs.conf'],
      [n.serversFull, 'every real server at its threshold', 'add real servers'],
    ] as const
  ).flatMap(([packets, what, remedy]) =>
    packets === 0
      ? []
      : wrap(
          s,
          `no room for ${packets} packets since the data plane started: ${what}; ${remedy}`,
        ).map((l) => paint(s, 'warn', l)),
  );

const serving = (s: Screen, { serving: v }: StatusHead): Lines => {
  if (v === null) return ['nothing to serve: no virtual server is configured'];
  const text = v.ok ? `serving: ${v.text}` : `NOT SERVING: ${v.text}`;
  return wrap(s, text).map((l) => paint(s, v.ok ? 'good' : 'bad', l));
};

const configuration = (s: Screen, { configuration: c, node }: StatusHead): Lines => {
  const error = c.error ?? node.configError;
  const lines = [
    ...(c.source === 'accepted'
      ? ['the last accepted configuration is in force, because the files cannot be used']
      : []),
    ...(error === null ? [] : [`configuration not reloaded: ${error}`]),
    ...(c.notKept === null ? [] : [`the configuration is not kept for a restart: ${c.notKept}`]),
    ...(c.refused === null ? [] : [`the data plane refused a generation: ${c.refused.reason}`]),
  ];
  return lines.flatMap((l) => wrap(s, l)).map((l) => paint(s, 'bad', l));
};

const dataplane = (s: Screen, { dataplane: d }: StatusHead): Lines => {
  const changed =
    d.changedWorker === null || d.workers < 2
      ? ''
      : ` (${(d.changedWorker * 100).toFixed(1)} % of packets changed worker)`;
  const why = d.reason === null ? '' : `: ${d.reason}`;
  const text = `data plane ${d.state}${why}  generation ${d.generation}  workers ${d.workers}${changed}`;
  return wrap(s, text).map((l) => paint(s, d.state === 'up' ? null : 'bad', l));
};

const leases = (s: Screen, { leases: all, dataplane: d, vips }: StatusHead): Lines => {
  if (all.length === 0) return d.leaseLeftMs === null ? [] : [`VIP lease ${d.leaseLeftMs} ms`];
  const held = all.filter((l: LeaseView) => l.leftMs > 0);
  if (held.length === 0 && !vips.some((v) => v.announced)) return [];
  const next = held.reduce((ms, l) => Math.min(ms, l.leftMs), Number.POSITIVE_INFINITY);
  const end = held.length === 0 ? '' : `, the next ends in ${next} ms unless it is renewed`;
  return wrap(s, `VIP leases: ${held.length} of ${all.length} held${end}`);
};

/** Short, and only what somebody should know, unless everything is asked for. */
const processes = (
  s: Screen,
  { processes: all, node }: StatusHead,
  nowMs: number,
  isWhole: boolean,
): Lines => {
  const wrong = (p: ProcessView): boolean => p.state !== 'running';
  const other = (p: ProcessView): boolean => p.version !== null && p.version !== node.version;
  const notable = all.filter((p) => wrong(p) || p.restarts > 0 || other(p));
  const listed = isWhole ? all : notable;
  if (listed.length === 0) return [];
  const style = (p: ProcessView): Style | null =>
    wrong(p) ? 'bad' : p.restarts > 0 || other(p) ? 'warn' : null;
  const rows = listed.map((p): readonly Cell[] => [
    p.name,
    { text: p.state, style: style(p) },
    p.pid === null ? '-' : String(p.pid),
    p.version ?? '-',
    p.since === null ? '-' : ago(p.since, nowMs),
    String(p.restarts),
    p.reason ?? '',
  ]);
  const head = ['process', 'state', 'pid', 'version', 'since', 'restarts', 'why'];
  return ['', ...tableLines([head, ...rows], { screen: s, spare: [3, 2] })];
};

const size = (bytes: number): string =>
  bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / (1 << 20)).toFixed(1)} MB`;

const journals = (s: Screen, { journals: all, loop }: StatusHead, isWhole: boolean): Lines => {
  const wrong = all.filter((j) => j.error !== null);
  const fine = all.filter((j) => j.error === null);
  return [
    ...wrong.flatMap((j) =>
      wrap(s, `journal ${j.path} is not written: ${j.error}`).map((l) => paint(s, 'warn', l)),
    ),
    ...(isWhole && fine.length > 0
      ? wrap(s, `journals: ${fine.map((j) => `${j.process} ${size(j.bytes)}`).join(', ')}`)
      : []),
    ...(isWhole && loop.at !== null
      ? wrap(
          s,
          `controller: longest turn of the event loop ${Math.round(loop.longestTurnMs)} ms, ${loop.over50Ms} over 50 ms`,
        )
      : []),
  ];
};

// ---- VRRP

/** RFC 9568 says Active, keepalived and its users say MASTER: both once. */
const stateName = ({ state }: VrrpView): string => (state === 'active' ? 'active (MASTER)' : state);

const vrrpStyle = ({ state }: VrrpView): Style | null =>
  state === 'active' ? 'good' : state === 'fault' ? 'bad' : null;

const vrrpRows = (s: Screen, { vrrp }: StatusHead, nowMs: number): Lines => {
  const faultsFirst = [
    ...vrrp.filter((v) => v.state === 'fault'),
    ...vrrp.filter((v) => v.state !== 'fault'),
  ];
  const rows = faultsFirst.map((v): readonly Cell[] => [
    v.name,
    v.interface,
    String(v.vrid),
    { text: stateName(v), style: vrrpStyle(v) },
    String(v.priority),
    ago(v.since, nowMs),
    v.activeAddress ?? '-',
    v.reason,
  ]);
  const head = ['vrrp', 'interface', 'vrid', 'state', 'prio', 'since', 'active is', 'why'];
  return tableLines([head, ...rows], { screen: s, spare: [1, 2, 4, 6] });
};

const vrrpErrors = (s: Screen, { vrrp }: StatusHead): Lines =>
  vrrp.flatMap((v) => {
    const counted = Object.entries(v.errors).map(([name, n]) => `${name} ${n}`);
    return counted.length === 0
      ? []
      : wrap(s, `${v.name}: adverts that were not used: ${counted.join(', ')}`);
  });

const vipRows = (s: Screen, { vips, vrrp }: StatusHead): Lines => {
  const active = new Set(vrrp.filter((v) => v.state === 'active').map((v) => v.name));
  // An address of an active instance that is not announced is what somebody looks for.
  const rank = (v: StatusView['vips'][number]): number =>
    v.announced ? 1 : active.has(v.instance) ? 0 : 2;
  const rows = [...vips]
    .sort((a, b) => rank(a) - rank(b))
    .map((v): readonly Cell[] => [
      v.address,
      v.device,
      {
        text: v.announced ? 'yes' : 'no',
        style: v.announced ? 'good' : rank(v) === 0 ? 'bad' : null,
      },
      v.reason,
    ]);
  return tableLines([['VIP', 'device', 'announced', 'why'], ...rows], { screen: s, spare: [1] });
};

// ---- servers

const stateOf = (r: RealServerView): Styled => {
  const left = r.activeSessions + r.inactiveSessions;
  const drain = left > 0 ? `${left} left` : 'drained';
  if (!r.up) return { text: `OUT, ${drain}`, style: 'bad' };
  if (r.draining) return { text: `draining, ${drain}`, style: 'warn' };
  if (r.full) return { text: `full, limit ${r.limit ?? 0}`, style: 'warn' };
  return { text: 'up', style: null };
};

type Styled = Exclude<Cell, string>;

/** Local ports in use: hundredths of a percent do not matter, nearly all do. */
const portsOf = ({ localPorts: p }: RealServerView): string =>
  p === null ? '-' : `${((100 * p.used) / p.of).toFixed(p.used * 100 >= p.of ? 0 : 1)} %`;

const isWrong = (r: RealServerView): boolean => !r.up || r.full;

/** Head, and one line for each real server; what is out or full comes first. */
export const virtualServerLines = (s: Screen, v: VirtualServerView, nowMs: number): Lines => {
  const where = /^match /i.test(v.address) ? v.address : endpoint(v.address, v.port);
  const out = v.realServers.filter((r) => !r.up).length;
  const counted = out === 0 ? '' : `  ${out} of ${v.realServers.length} out`;
  const state =
    v.origin === 'runtime' ? v.reason : v.quorumUp ? 'quorum up' : `QUORUM LOST: ${v.reason}`;
  const head = `${v.protocol} ${where}  ${v.scheduler} ${v.forwarding}  ${state}${counted}`;
  const style = v.quorumUp ? (out > 0 ? 'warn' : 'head') : 'bad';
  const ordered = [...v.realServers.filter(isWrong), ...v.realServers.filter((r) => !isWrong(r))];
  const rows = ordered.map((r): readonly Cell[] => [
    endpoint(r.address, r.port),
    String(r.weight),
    stateOf(r),
    ago(r.since, nowMs),
    String(r.activeSessions),
    String(r.inactiveSessions),
    String(r.connections),
    portsOf(r),
    r.reason,
  ]);
  const heads = [
    'real server',
    'weight',
    'state',
    'since',
    'active',
    'inactive',
    'conns',
    'ports',
    'why',
  ];
  return [
    ...wrap(s, head).map((l) => paint(s, style, l)),
    ...tableLines([heads, ...rows], { screen: s, indent: '  ', spare: [6, 5, 7, 1, 4] }),
  ];
};

const leaving = (s: Screen, v: StatusHead): Lines =>
  v.leaving.flatMap((l) =>
    wrap(s, `${l.service}: ${l.realServer} was removed, ${l.sessions} sessions left`),
  );

const byCommands = (s: Screen, { runtime: r }: StatusHead): Lines => [
  ...(r.commands > 0 ? [`set by commands: ${r.commands} (ipvsadm -S, dpip show)`] : []),
  ...r.shadowed.flatMap((x) => wrap(s, `  not in force: ${x.what}: ${x.why}`, '    ')),
];

// ---- the whole

const spaced = (lines: Lines): Lines => (lines.length === 0 ? [] : ['', ...lines]);

const top = (s: Screen, v: StatusHead, nowMs: number): Lines => [
  ...wrap(
    s,
    `node ${v.node.routerId}  keelson ${v.node.version}  up ${ago(v.node.startedAt, nowMs)}`,
  ),
  ...serving(s, v),
  ...configuration(s, v),
  ...dataplane(s, v),
  ...leases(s, v),
  ...noRoom(s, v.dataplane),
];

const joined = (lines: Lines): string => lines.map((l) => `${l}\n`).join('');

/** Everything but the virtual servers, which follow one by one. */
export const renderHead = (v: StatusHead, nowMs: number, s: Screen = plain): string =>
  joined([
    ...top(s, v, nowMs),
    ...journals(s, v, true),
    ...processes(s, v, nowMs, true),
    ...(v.vrrp.length === 0 ? [] : spaced([...vrrpRows(s, v, nowMs), ...vrrpErrors(s, v)])),
    ...(v.vips.length === 0 ? [] : spaced(vipRows(s, v))),
    ...spaced([...leaving(s, v), ...byCommands(s, v)]),
  ]);

export const renderVirtualServer = (
  v: VirtualServerView,
  nowMs: number,
  s: Screen = plain,
): string => joined(spaced(virtualServerLines(s, v, nowMs)));

export const renderStatus = (v: StatusView, nowMs: number, s: Screen = plain): string =>
  renderHead(v, nowMs, s) + v.virtualServers.map((x) => renderVirtualServer(x, nowMs, s)).join('');

/** As many lines as there is room for; the last one says how many rows are missing. */
const fitted = (lines: Lines, most: number, hidden: (n: number) => string): Lines =>
  lines.length <= most
    ? lines
    : [...lines.slice(0, Math.max(0, most - 1)), hidden(lines.length - Math.max(0, most - 1))];

/** Virtual servers until the room is used up; the last line says how many more there are. */
const fittedServers = (s: Screen, v: StatusView, room: number, nowMs: number): Lines => {
  const lines: string[] = [];
  let shown = 0;
  for (const service of v.virtualServers) {
    const own = virtualServerLines(s, service, nowMs);
    const left = room - lines.length - 1;
    if (left < 3) break;
    lines.push(...fitted(own, left, (n) => `  ... ${n} more real servers`));
    shown += 1;
  }
  const more = v.summary.virtualServers - shown;
  return more <= 0
    ? lines
    : [...lines, `... ${more} more virtual server${more === 1 ? '' : 's'}: keelson status`];
};

/** One screen for `--watch`: the summary first, then what is wrong, then as much of the rest as fits. */
export const renderWatch = (v: StatusView, nowMs: number, s: Screen): string => {
  const rows = (s.rows ?? 24) - 1;
  const above = [
    ...top(s, v, nowMs),
    ...journals(s, v, false),
    ...processes(s, v, nowMs, false).slice(1),
  ];
  const more = (what: string) => (n: number) => `... ${n} more ${what}: keelson status`;
  const room = (share: number): number => Math.max(3, Math.floor((rows - above.length) * share));
  const middle = [
    ...(v.vrrp.length === 0
      ? []
      : spaced(fitted(vrrpRows(s, v, nowMs), room(0.3), more('VRRP instances')))),
    ...fitted(vrrpErrors(s, v), 2, more('lines')),
    ...(v.vips.length === 0 ? [] : fitted(vipRows(s, v), room(0.3), more('addresses'))),
  ];
  const head = [...above, ...middle];
  return joined(
    [...head, ...spaced(fittedServers(s, v, rows - head.length - 1, nowMs))].slice(0, rows),
  );
};
