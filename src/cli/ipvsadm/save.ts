/** Commands as ipvsadm lines: -S. Law: parseSaved(save(c)) is c. */

import type {
  RuntimeCommand,
  ServerSettings,
  ServiceSettings,
  ServiceView,
  ServiceWords,
} from '../../api/views.js';
import { endpoint } from '../endpoint.js';

const selectors: Readonly<Record<string, string>> = { TCP: '-t', UDP: '-u' };
const modes: Readonly<Record<string, string>> = {
  DR: '-g',
  TUN: '-i',
  NAT: '-m',
  FNAT: '-b',
  SNAT: '-J',
};

export const selector = (s: ServiceWords): string => {
  if (s.match === null)
    return `${selectors[s.protocol] ?? `--${s.protocol.toLowerCase()}-service`} ${endpoint(s.address, s.port)}`;
  const words = [
    ['proto', s.protocol.toLowerCase()],
    ['af', s.match.family === null ? null : `ipv${s.match.family}`],
    ['src-range', s.match.source],
    ['dst-range', s.match.destination],
    ['iif', s.match.iif],
    ['oif', s.match.oif],
  ].filter(([, value]) => value !== null);
  return `-H ${words.map((w) => w.join('=')).join(',')}`;
};

const maskOf = (length: number, v6: boolean): string => {
  if (v6) return String(length);
  const bits = '1'.repeat(length).padEnd(32, '0');
  return (bits.match(/.{8}/g) ?? []).map((b) => Number.parseInt(b, 2)).join('.');
};

const persistence = (s: ServiceSettings, v6: boolean): readonly string[] => {
  const { persistenceMs = 0, persistencePrefixLength: length = v6 ? 128 : 32 } = s;
  if (persistenceMs === 0) return [];
  const mask = length === (v6 ? 128 : 32) ? [] : [`-M ${maskOf(length, v6)}`];
  return [`-p ${persistenceMs / 1000}`, ...mask];
};

const settings = (s: ServiceSettings, v6: boolean): readonly string[] => {
  const { establishedTimeoutMs = 0, scheduler = 'wlc' } = s;
  return [
    `-s ${scheduler}`,
    ...(s.schedulerPort === true ? [`--sched-flags ${scheduler}-port`] : []),
    ...persistence(s, v6),
    ...(establishedTimeoutMs > 0 ? [`--conn-timeout ${establishedTimeoutMs / 1000}`] : []),
    ...(s.onePacket === true ? ['--ops'] : []),
    ...(s.quic === true ? ['--quic'] : []),
    ...(s.expireQuiescent === true ? ['--expire-quiescent'] : []),
  ];
};

const tunnel = (t: ServerSettings['tunnel']): readonly string[] => {
  if (t === undefined || t === null) return [];
  const port = t.type === 'gue' ? [`--tun-port ${t.port}`] : [];
  return [`--tun-type ${t.type}`, ...port, ...(t.checksum ? ['--tun-csum'] : [])];
};

const serverSettings = (s: ServerSettings): readonly string[] => [
  modes[s.forwarding ?? 'DR'] ?? '-g',
  `-w ${s.weight ?? 1}`,
  ...(s.upperThreshold === undefined ? [] : [`-x ${s.upperThreshold}`]),
  ...(s.lowerThreshold === undefined ? [] : [`-y ${s.lowerThreshold}`]),
  ...tunnel(s.tunnel),
];

/** null for commands of dpip. */
const line = (c: RuntimeCommand): string | null => {
  switch (c.op) {
    case 'service.add': {
      const v6 = c.service.address.includes(':');
      return ['-A', selector(c.service), ...settings(c.set, v6)].join(' ');
    }
    case 'local.add':
      return `-P ${selector(c.service)} -z ${c.address} -F ${c.device}`;
    case 'server.add': {
      const { address, port } = c.server;
      const at = port === null ? address : endpoint(address, port);
      return ['-a', selector(c.service), `-r ${at}`, ...serverSettings(c.set)].join(' ');
    }
    case 'timeouts.set':
      return `--set ${c.tcp} ${c.tcpFin} ${c.udp}`;
    default:
      return null;
  }
};

export const save = (commands: readonly RuntimeCommand[]): string =>
  commands
    .map(line)
    .filter((l) => l !== null)
    .map((l) => `${l}\n`)
    .join('');

/** Services of the files, as comments: they are not restored by -R. */
export const saveFiles = (services: readonly ServiceView[]): string =>
  services
    .filter((s) => s.file !== null)
    .map((s) => `# in ${s.file}: ${s.name}\n`)
    .join('');
