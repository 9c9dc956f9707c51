/** The API's answers as text for a person. Pure: `now` comes in. */

import type {
  DropsView,
  RealServerView,
  ReloadView,
  SessionView,
  StatusView,
  VirtualServerView,
} from '../api/views.js';
import { endpoint } from './endpoint.js';
import { table } from './table.js';

/** `3s`, `4m10s`, `2h05m`, `3d04h` */
export const ago = (since: string, nowMs: number): string => {
  const s = Math.max(0, Math.floor((nowMs - Date.parse(since)) / 1000));
  const two = (n: number): string => String(n).padStart(2, '0');
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h${two(Math.floor(s / 60) % 60)}m`;
  return `${Math.floor(s / 86_400)}d${two(Math.floor(s / 3600) % 24)}h`;
};

const stateOf = (r: RealServerView): string => {
  const left = r.activeSessions + r.inactiveSessions;
  const drain = left > 0 ? `${left} left` : 'drained';
  if (!r.up) return `OUT, ${drain}`;
  if (r.draining) return `draining, ${drain}`;
  return r.full ? `full, limit ${r.limit ?? 0}` : 'up';
};

/** Local ports in use: hundredths of a percent do not matter, nearly all do. */
const portsOf = ({ localPorts: p }: RealServerView): string =>
  p === null ? '-' : `${((100 * p.used) / p.of).toFixed(p.used * 100 >= p.of ? 0 : 1)} %`;

const virtualServer = (v: VirtualServerView, nowMs: number): string => {
  const where = /^match /i.test(v.address) ? v.address : endpoint(v.address, v.port);
  const head = `${v.protocol} ${where}  ${v.scheduler} ${v.forwarding}  ${
    v.origin === 'runtime' ? v.reason : v.quorumUp ? 'quorum up' : `QUORUM LOST: ${v.reason}`
  }\n`;
  const rows = v.realServers.map((r) => [
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
  return (
    head +
    table(
      [
        ['real server', 'weight', 'state', 'since', 'active', 'inactive', 'conns', 'ports', 'why'],
        ...rows,
      ],
      '  ',
    )
  );
};

/** What refused new sessions, and what to do about it. */
const noRoom = ({ noRoom: n }: StatusView['dataplane']): string =>
  [
    [n.localPorts, 'no local port left towards the real server', 'add local addresses'],
    [n.sessionTable, 'session table full', 'raise conn_pool_size in dpvs.conf'],
    [n.serversFull, 'every real server at its threshold', 'add real servers'],
  ]
    .map(([packets, what, todo]) =>
      packets === 0
        ? ''
        : `no room for ${packets} packets since the data plane started: ${what}; ${todo}\n`,
    )
    .join('');

export const renderStatus = (s: StatusView, nowMs: number): string => {
  const d = s.dataplane;
  const lines = [
    `node ${s.node.routerId}  keelson ${s.node.version}  up ${ago(s.node.startedAt, nowMs)}\n`,
    s.node.configError === null ? '' : `configuration not reloaded: ${s.node.configError}\n`,
    `data plane ${d.state}${d.reason === null ? '' : `: ${d.reason}`}  generation ${d.generation}  workers ${d.workers}${
      d.changedWorker === null || d.workers < 2
        ? ''
        : ` (${(d.changedWorker * 100).toFixed(1)} % of packets changed worker)`
    }${d.leaseLeftMs === null ? '' : `  VIP lease ${d.leaseLeftMs} ms`}\n`,
  ];
  lines.push(noRoom(d));
  if (s.vrrp.length > 0) {
    const rows = s.vrrp.map((v) => [
      v.name,
      v.interface,
      String(v.vrid),
      v.state,
      String(v.priority),
      ago(v.since, nowMs),
      v.activeAddress ?? '-',
      v.reason,
    ]);
    lines.push(
      '\n',
      table([['vrrp', 'interface', 'vrid', 'state', 'prio', 'since', 'active is', 'why'], ...rows]),
    );
  }
  if (s.vips.length > 0) {
    const rows = s.vips.map((v) => [v.address, v.device, v.announced ? 'yes' : 'no', v.reason]);
    lines.push('\n', table([['VIP', 'device', 'announced', 'why'], ...rows]));
  }
  for (const v of s.virtualServers) lines.push('\n', virtualServer(v, nowMs));
  for (const l of s.leaving)
    lines.push(`\n${l.service}: ${l.realServer} was removed, ${l.sessions} sessions left\n`);
  const { commands, shadowed } = s.runtime;
  if (commands > 0) lines.push(`\nset by commands: ${commands} (ipvsadm -S, dpip show)\n`);
  for (const x of shadowed) lines.push(`  not in force: ${x.what}: ${x.why}\n`);
  return lines.join('');
};

export const renderSessions = (rows: readonly SessionView[]): string =>
  rows.length === 0
    ? 'no sessions\n'
    : table([
        ['worker', 'proto', 'expires', 'state', 'client', 'virtual server', 'local', 'real server'],
        ...rows.map((r) => [
          String(r.worker),
          r.protocol,
          `${Math.ceil(r.expiresMs / 1000)}s`,
          r.state,
          r.client,
          r.vip,
          r.lip,
          r.realServer,
        ]),
      ]);

export const renderDrops = (d: DropsView): string =>
  d.drops.length === 0
    ? 'nothing dropped\n'
    : table([
        ['reason', 'total', 'per worker'],
        ...d.drops.map((r) => [r.reason, String(r.total), r.perWorker.join(' ')]),
      ]);

export const renderReload = (r: ReloadView): string =>
  `${r.text}${r.ok ? 'reloaded' : 'not reloaded, the running configuration stays'}${
    r.ok && r.changes.length === 0 ? ': nothing changed' : ''
  }\n${r.changes.map((c) => `  ${c}\n`).join('')}`;
