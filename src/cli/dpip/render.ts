/** dpip's listings. Pure. */
import type { LinkView, TableRowView } from '../../api/views.js';

const inet = (r: TableRowView): string => (r.family === 6 ? 'inet6' : 'inet');
const prefix = (r: TableRowView): string => `${r.address}/${r.prefixLength}`;

const origin = (r: TableRowView): string =>
  [
    r.leased ? 'vip' : '',
    r.local ? 'sapool' : '',
    r.kernel ? 'kernel' : '',
    r.connected ? 'connected' : '',
  ]
    .filter((w) => w !== '')
    .join(' ');

export const renderAddresses = (rows: readonly TableRowView[], stats: boolean): string =>
  rows
    .map((r) => {
      const free = r.localPortsFree === null ? '' : ` sa_free ${r.localPortsFree}`;
      const used = stats && r.localPortsUsed !== null ? ` sa_used ${r.localPortsUsed}${free}` : '';
      const from = origin(r) === '' ? '' : ` ${origin(r)}`;
      return `${inet(r)} ${prefix(r)} scope global ${r.device}${from}\n     valid_lft forever preferred_lft forever${used}\n`;
    })
    .join('');

const unset = (r: TableRowView): string => (r.family === 6 ? '::' : '0.0.0.0');

const routeLine = (r: TableRowView): string => {
  const scope = r.gateway === null ? 'link' : 'global';
  const by = r.command ? 'static' : r.kernel ? 'kernel' : r.connected ? 'auto' : 'static';
  const via = r.gateway ?? (r.family === 6 ? null : unset(r));
  const source = r.source ?? (r.family === 6 ? null : unset(r));
  return [
    `${inet(r)} ${prefix(r)}`,
    ...(via === null ? [] : [`via ${via}`]),
    ...(source === null ? [] : [`src ${source}`]),
    `dev ${r.device} mtu ${r.mtu}`,
    ...(r.family === 6 ? [] : ['tos 0']),
    `scope ${scope} metric ${r.metric} proto ${by}\n`,
  ].join(' ');
};

/** A local address, shown as its host route. */
const hostLine = (r: TableRowView, mtu: number): string =>
  r.family === 6
    ? `inet6 ${r.address}/128 dev ${r.device} mtu ${mtu} scope host metric 0 proto auto\n`
    : `inet ${r.address}/32 via 0.0.0.0 src 0.0.0.0 dev ${r.device} mtu ${mtu} tos 0 scope host metric 0 proto auto\n`;

/** Identity of a route: its origin does not count, nor does the source of a connected network. */
const sameRoute = (r: TableRowView): string =>
  [
    r.family,
    prefix(r),
    r.device,
    ...(r.gateway === null ? [] : [r.gateway, r.source ?? '', r.mtu, r.metric]),
  ].join(' ');

/** Prefers the route of a command, then one with a source address. */
const rank = (r: TableRowView): number => (r.command ? 2 : 0) + (r.source === null ? 0 : 1);

/** Shows a route once when both a command and the kernel have it. */
export const renderRoutes = (
  rows: readonly TableRowView[],
  addresses: readonly TableRowView[] = [],
): string => {
  const routes = new Map<string, TableRowView>();
  const mtus = new Map<string, number>();
  for (const r of rows) {
    const key = sameRoute(r);
    const known = routes.get(key);
    if (known === undefined || rank(r) > rank(known)) routes.set(key, r);
    mtus.set(r.device, r.mtu);
  }
  const hosts = addresses.map((a) => hostLine(a, mtus.get(a.device) ?? 1500));
  return [...[...routes.values()].map(routeLine), ...new Set(hosts)].join('');
};

export const renderNeighbours = (rows: readonly TableRowView[], verbose: boolean): string =>
  rows
    .map(
      (r) =>
        `${r.address} lladdr ${r.mac ?? '-'} state ${r.state ?? '-'} dev ${r.device}${verbose ? ` for ${Math.floor(r.ageMs / 1000)}s` : ''}\n`,
    )
    .join('');

const counter = (l: LinkView, name: string): number => l.counters[name] ?? 0;

/** The names of DPDK's statistics, four in a row. */
const statRows = [
  [
    ['ipackets', 'rx_packets'],
    ['opackets', 'tx_packets'],
    ['ibytes', 'rx_bytes'],
    ['obytes', 'tx_bytes'],
  ],
  [
    ['ierrors', 'rx_errors'],
    ['oerrors', 'tx_errors'],
    ['imissed', 'rx_missed'],
    ['rx_nombuf', 'rx_no_buffer'],
  ],
] as const;

/** With `before`: rates a second, over the time between both readings. */
const statLines = (l: LinkView, before: LinkView | undefined, seconds: number): string =>
  statRows
    .map((row) => {
      const suffix = (name: string): string => (name.endsWith('bytes') ? '/Bps' : '/pps');
      const heads = row.map(([head, name]) =>
        (before === undefined ? head : `${head}${suffix(name)}`).padEnd(20),
      );
      const values = row.map(([, name]) => {
        const now = counter(l, name);
        const n = before === undefined ? now : Math.round((now - counter(before, name)) / seconds);
        return String(n).padEnd(20);
      });
      return `    ${heads.join('').trimEnd()}\n    ${values.join('').trimEnd()}\n`;
    })
    .join('');

export interface LinkOptions {
  readonly stats: boolean;
  readonly verbose: boolean;
}

export const renderLinks = (
  links: readonly LinkView[],
  o: LinkOptions,
  before: readonly LinkView[],
  seconds: number,
): string =>
  links
    .map((l) => {
      const speed = l.mbps > 0 ? `${l.mbps} Mbps full-duplex` : 'unknown speed';
      const lines = [
        `${l.index}: ${l.name}: mtu ${l.mtu} rx-queue ${l.rxQueues} tx-queue ${l.txQueues}\n`,
        `    ${l.up ? 'UP' : 'DOWN'} ${speed}${l.promisc ? ' promisc' : ''}\n`,
        `    addr ${l.mac ?? '-'} kni ${l.kniName}\n`,
      ];
      const old = before.find((b) => b.name === l.name);
      if (o.stats) lines.push(statLines(l, old, seconds));
      if (o.verbose)
        lines.push(
          ...Object.entries(l.counters).map(([name, n]) => `    ${name.padEnd(20)}${n}\n`),
        );
      return lines.join('');
    })
    .join('');
