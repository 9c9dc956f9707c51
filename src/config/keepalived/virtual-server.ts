/** virtual_server and real_server (keepalived.md 2.10-2.12, dpvs.md 4.1, 4.2). */
import { endpoint } from '../../net/endpoint.js';
import { parseIpv4 } from '../../net/ipv4.js';
import { type Node, placeOf, type Word } from '../text.js';
import {
  boolean,
  type Context,
  type Draft,
  flag,
  hostName,
  integer,
  integerOf,
  missing,
  noMore,
  oneOfWords,
  prefixOf,
  type Reader,
  readBlock,
  type Table,
  table,
  text,
} from '../values.js';
import {
  type CheckerKind,
  checker,
  checkerKinds,
  type Shared,
  shared,
  type TimingWords,
  timingReaders,
} from './checkers.js';
import { matchReaders } from './match.js';
import { tunnelKind } from './tunnel.js';
import type {
  Checker,
  ForwardingKind,
  RealServer,
  VirtualServer,
  VirtualServerTarget,
} from './types.js';

const schedulers = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'sed',
  'nq',
  'conhash',
] as const;
/** Known to keepalived; the data plane has none of them. */
const otherSchedulers = ['lblc', 'lblcr', 'twos'];
const forwardings: readonly ForwardingKind[] = ['NAT', 'DR', 'TUN', 'FNAT', 'SNAT'];
const mostSessions = 2_147_483_647;
const heaviest = 65_535;

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** ADDRESS [PORT]; without a port 0. A prefix of one host is its address. */
const addressAndPort = (c: Context, words: readonly Word[]): Endpoint | null => {
  const [a, p] = words;
  if (a === undefined) return null;
  const prefix = prefixOf(c, a);
  const port = p === undefined ? 0 : integerOf(c, p, 0, 65_535);
  if (prefix === null || port === null) return null;
  const { address, prefixLength } = prefix;
  if (prefixLength === (address.includes(':') ? 128 : 32)) return { address, port };
  c.report.add('error', 'KS_CONF_VALUE', a, 'wrong value', {
    found: `'${a.text}'`,
    expected: 'the address of one host',
  });
  return null;
};

interface ServerDraft {
  weight: number | null;
  upperThreshold: number;
  lowerThreshold: number;
  inhibitOnFailure: boolean | null;
  virtualhost: string | null;
  /** lb_kind of this server alone. */
  forwarding: Word | null;
  readonly timing: TimingWords;
  readonly checks: { readonly kind: CheckerKind; readonly node: Node }[];
}

const ownForwarding: Reader<ServerDraft> = (c, n, d) => {
  const w = n.args[0];
  if (w === undefined) missing(c, n, forwardings.join(', '));
  else if (oneOfWords(c, w, forwardings) !== null) d.forwarding = w;
};

const realServerTable: Table<ServerDraft> = table('real_server', {
  ...timingReaders<ServerDraft>((d) => d.timing, 1),
  ...Object.fromEntries(
    checkerKinds.map((kind): [string, Reader<ServerDraft>] => [
      kind,
      (_c, node, d) => void d.checks.push({ kind, node }),
    ]),
  ),
  weight: integer(0, mostSessions, (d, x) => {
    d.weight = x;
  }),
  uthreshold: integer(0, mostSessions, (d, x) => {
    d.upperThreshold = x;
  }),
  lthreshold: integer(0, mostSessions, (d, x) => {
    d.lowerThreshold = x;
  }),
  inhibit_on_failure: boolean((d, b) => {
    d.inhibitOnFailure = b;
  }),
  alpha: boolean((d, b) => {
    d.timing.alpha = b;
  }),
  virtualhost: hostName((d, s) => {
    d.virtualhost = s;
  }),
  lb_kind: ownForwarding,
  lvs_method: ownForwarding,
});

const clampedWeight = (c: Context, weight: number, at: Word): number => {
  if (weight > heaviest)
    c.report.add('warning', 'KS_CONF_WEIGHT', at, 'weights above 65535 count as 65535');
  return Math.min(weight, heaviest);
};

/** What a real server takes from its virtual server. */
interface Above {
  readonly weight: number;
  readonly inhibitOnFailure: boolean;
  readonly forwarding: ForwardingKind;
  readonly timing: TimingWords;
  readonly same: Shared;
}

/** A socket bound to an address of one family reaches nobody of the other. */
const bindsToFamily = (c: Context, n: Node, check: Checker, server: string): void => {
  const target = 'target' in check ? check.target : null;
  if (target === null || target.bindto === null) return;
  const to = target.connectIp ?? server;
  if (to.includes(':') !== target.bindto.includes(':'))
    c.report.add('error', 'KS_CONF_FAMILY', n.keyword, 'bindto is of another family', {
      found: target.bindto,
      expected: `an address of the family of ${to}`,
    });
};

const realServer = (c: Context, n: Node, above: Above): RealServer | null => {
  const where = addressAndPort(c, n.args);
  if (where === null) {
    if (n.args.length === 0) missing(c, n, 'ADDRESS [PORT]');
    return null;
  }
  noMore(c, n, 2);
  const at = n.args[0] ?? n.keyword;
  const d: ServerDraft = {
    weight: null,
    upperThreshold: 0,
    lowerThreshold: 0,
    inhibitOnFailure: null,
    virtualhost: null,
    forwarding: null,
    timing: {},
    checks: [],
  };
  if (n.block !== null) readBlock(c, n.block, realServerTable, d);
  const levels = [d.timing, above.timing];
  const checkers: Checker[] = [];
  for (const { kind, node } of d.checks) {
    const check = checker(c, kind, node, levels, above.same);
    if (check === null) continue;
    bindsToFamily(c, node, check, where.address);
    checkers.push(check);
  }
  if (d.forwarding !== null && d.forwarding.text !== above.forwarding)
    c.report.add(
      'error',
      'KS_CONF_UNSUPPORTED',
      d.forwarding,
      'a real server with a forwarding of its own is not supported yet',
      { hint: `the virtual server has ${above.forwarding}` },
    );
  const { upperThreshold, lowerThreshold, virtualhost } = d;
  if (lowerThreshold > upperThreshold)
    c.report.add('error', 'KS_CONF_THRESHOLD', at, 'thresholds the wrong way', {
      found: `lthreshold ${lowerThreshold} and ${upperThreshold === 0 ? 'no uthreshold' : `uthreshold ${upperThreshold}`}`,
      expected: 'a uthreshold not below it',
    });
  return {
    address: where.address,
    port: where.port,
    weight: clampedWeight(c, d.weight ?? above.weight, at),
    upperThreshold,
    lowerThreshold,
    inhibitOnFailure: d.inhibitOnFailure ?? above.inhibitOnFailure,
    checkers,
    virtualhost,
    place: placeOf(n.keyword),
  };
};

const targetOf = (c: Context, n: Node): VirtualServerTarget | null => {
  const [first, second] = n.args;
  switch (first?.text) {
    case undefined:
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'virtual_server needs an address', {
        expected: 'ADDRESS PORT, group NAME, fwmark N or match NAME',
      });
      return null;
    case 'group':
    case 'match':
      if (second === undefined) {
        c.report.add('error', 'KS_CONF_MISSING', first ?? n.keyword, 'a name is missing');
        return null;
      }
      return { kind: first?.text === 'group' ? 'group' : 'match', name: second.text };
    case 'fwmark': {
      const mark = second === undefined ? null : integerOf(c, second, 1, 0xffffffff);
      if (second === undefined) missing(c, n, 'fwmark N');
      return mark === null ? null : { kind: 'fwmark', mark };
    }
    default: {
      const where = addressAndPort(c, n.args);
      return where === null ? null : { kind: 'address', ...where };
    }
  }
};

/** A virtual server while it is read. */
interface ServiceDraft extends Draft<VirtualServer> {
  weight: number;
  readonly timing: TimingWords;
  readonly servers: Node[];
}

const clampQuorum = (c: Context, d: ServiceDraft, at: Word): void => {
  const total = d.realServers.reduce((sum, r) => sum + r.weight, 0);
  if (d.quorum > total && total > 0) {
    c.report.add('warning', 'KS_CONF_QUORUM', at, `quorum ${d.quorum} is more than all weights`, {
      hint: `${total} is used`,
    });
    d.quorum = total;
  }
  if (d.hysteresis >= d.quorum && d.hysteresis > 0) {
    c.report.add('warning', 'KS_CONF_QUORUM', at, 'hysteresis must be below quorum', {
      hint: '0 is used',
    });
    d.hysteresis = 0;
  }
};

const draft = (target: VirtualServerTarget, at: Word): ServiceDraft => ({
  target,
  protocol: 'UDP',
  scheduler: 'wlc',
  schedulerPort: false,
  schedulerFallback: false,
  forwarding: target.kind === 'match' ? 'SNAT' : 'NAT',
  localAddressGroup: null,
  tunnel: null,
  match: { source: null, destination: null, iif: null, oif: null },
  onePacket: false,
  quic: null,
  synProxy: false,
  expireQuiescent: false,
  establishTimeoutMs: null,
  persistenceTimeoutMs: null,
  persistencePrefixLength: null,
  alpha: false,
  omega: false,
  quorum: 1,
  hysteresis: 0,
  sorryServer: null,
  haSuspend: false,
  inhibitOnFailure: false,
  virtualhost: null,
  realServers: [],
  place: placeOf(at),
  weight: 1,
  timing: {},
  servers: [],
});

/** A netmask, or a prefix length as for IPv6. */
const granularity = (c: Context, w: Word): number | null => {
  const mask = parseIpv4(w.text);
  if (mask === null) return integerOf(c, w, 1, 128);
  const prefix = Math.clz32(~mask);
  if (prefix === 0) {
    c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
      found: `'${w.text}'`,
      expected: 'a netmask of ones and then zeros',
    });
    return null;
  }
  if (prefix < 32 && mask << prefix !== 0)
    c.report.add('warning', 'KS_CONF_VALUE', w, `the mask has holes, /${prefix} is used`, {
      hint: 'clients that differ behind the hole stay together, too',
    });
  return prefix;
};

const scheduler: Reader<ServiceDraft> = (c, n, d) => {
  const w = n.args[0];
  noMore(c, n, 1);
  if (w !== undefined && otherSchedulers.includes(w.text)) {
    c.report.add('error', 'KS_CONF_UNSUPPORTED', w, `lb_algo ${w.text} is not supported yet`, {
      hint: `use one of ${schedulers.join(', ')}`,
    });
    return;
  }
  if (w === undefined) missing(c, n, schedulers.join(', '));
  else d.scheduler = oneOfWords(c, w, schedulers) ?? d.scheduler;
};

const forwarding: Reader<ServiceDraft> = (c, n, d) => {
  const w = n.args[0];
  if (w === undefined) {
    missing(c, n, forwardings.join(', '));
    return;
  }
  const kind = oneOfWords(c, w, forwardings);
  if (kind === null) return;
  d.forwarding = kind;
  d.tunnel = kind === 'TUN' && n.args.length > 1 ? tunnelKind(c, n, n.args.slice(1)) : null;
  if (kind !== 'TUN') noMore(c, n, 1);
};

const protocols = ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPV6'] as const;

const quicLb: Reader<ServiceDraft> = (c, n, d) => {
  const [id, length] = n.args;
  if (id === undefined || length === undefined) {
    missing(c, n, 'CONFIG-ID SERVER-ID-LENGTH');
    return;
  }
  const configId = integerOf(c, id, 0, 6);
  const serverIdLength = integerOf(c, length, 1, 15);
  if (configId !== null && serverIdLength !== null) d.quic = { configId, serverIdLength };
  noMore(c, n, 2);
};

const schedulerPort = flag<ServiceDraft>((d) => {
  d.schedulerPort = true;
});
const schedulerFallback = flag<ServiceDraft>((d) => {
  d.schedulerFallback = true;
});

const virtualServerTable: Table<ServiceDraft> = table('virtual_server', {
  ...timingReaders<ServiceDraft>((d) => d.timing, 1),
  ...matchReaders<ServiceDraft>((d, part) => {
    d.match = { ...d.match, ...part };
  }),
  lb_algo: scheduler,
  lvs_sched: scheduler,
  lb_kind: forwarding,
  lvs_method: forwarding,
  protocol: (c, n, d) => {
    const w = n.args[0];
    if (w === undefined) missing(c, n, protocols.join(', '));
    else d.protocol = oneOfWords(c, { ...w, text: w.text.toUpperCase() }, protocols) ?? d.protocol;
    noMore(c, n, 1);
  },
  'sh-port': schedulerPort,
  'mh-port': schedulerPort,
  'sh-fallback': schedulerFallback,
  'mh-fallback': schedulerFallback,
  laddr_group_name: text('a local_address_group', (d, s) => {
    d.localAddressGroup = s;
  }),
  quic: flag((d) => {
    d.quic = 'dpvs';
  }),
  quic_lb: quicLb,
  ops: flag((d) => {
    d.onePacket = true;
  }),
  syn_proxy: flag((d) => {
    d.synProxy = true;
  }),
  expire_quiescent_conn: flag((d) => {
    d.expireQuiescent = true;
  }),
  establish_timeout: integer(1, 3600, (d, x) => {
    d.establishTimeoutMs = x * 1000;
  }),
  persistence_granularity: (c, n, d) => {
    const w = n.args[0];
    if (w === undefined) missing(c, n, 'a netmask, or a prefix length');
    const bits = w === undefined ? null : granularity(c, w);
    noMore(c, n, 1);
    if (bits === null) return;
    d.persistencePrefixLength = bits;
    d.persistenceTimeoutMs ??= 360_000;
  },
  persistence_timeout: (c, n, d) => {
    const w = n.args[0];
    // 0, as older files have it, is no persistence.
    const s = w === undefined ? 360 : integerOf(c, w, 0, 2_678_400);
    if (s !== null) d.persistenceTimeoutMs = s === 0 ? null : s * 1000;
    if (s === 0)
      c.report.add('warning', 'KS_CONF_VALUE', w ?? n.keyword, 'a timeout of 0 is no persistence');
    noMore(c, n, 1);
  },
  alpha: flag((d) => {
    d.alpha = true;
    d.timing.alpha = true;
  }),
  omega: flag((d) => {
    d.omega = true;
  }),
  inhibit_on_failure: flag((d) => {
    d.inhibitOnFailure = true;
  }),
  ha_suspend: flag((d) => {
    d.haSuspend = true;
  }),
  weight: integer(1, mostSessions, (d, x) => {
    d.weight = x;
  }),
  quorum: integer(1, mostSessions, (d, x) => {
    d.quorum = x;
  }),
  hysteresis: integer(0, mostSessions, (d, x) => {
    d.hysteresis = x;
  }),
  sorry_server: (c, n, d) => {
    if (n.args.length === 0) missing(c, n, 'ADDRESS [PORT]');
    d.sorryServer = addressAndPort(c, n.args);
    noMore(c, n, 2);
  },
  virtualhost: hostName((d, s) => {
    d.virtualhost = s;
  }),
  real_server: (_c, n, d) => void d.servers.push(n),
});

export const serviceTables = [virtualServerTable, realServerTable];

/** Keywords whose absence keepalived warns of, with what it then takes. */
const expectedWords = [
  { words: ['lb_algo', 'lvs_sched'], value: 'wlc' },
  { words: ['lb_kind', 'lvs_method'], value: 'NAT' },
  { words: ['protocol'], value: 'UDP' },
] as const;

const warnOfDefaults = (
  c: Context,
  nodes: readonly Node[],
  at: Word,
  target: VirtualServerTarget,
): void => {
  for (const { words, value } of expectedWords)
    if (target.kind === 'match' && value === 'NAT') continue;
    else if (!nodes.some((n) => words.some((w) => w === n.keyword.text)))
      c.report.add('warning', 'KS_CONF_DEFAULT', at, `no ${words[0]} is given`, {
        hint: `${value} is used`,
      });
};

const realServers = (c: Context, d: ServiceDraft): readonly RealServer[] => {
  const list: RealServer[] = [];
  const seen = new Map<string, Node>();
  const above: Above = { ...d, same: shared() };
  for (const node of d.servers) {
    const r = realServer(c, node, above);
    if (r === null) continue;
    const port = r.port === 0 && d.target.kind === 'address' ? d.target.port : r.port;
    const key = endpoint(r.address, port);
    const other = seen.get(key);
    if (other === undefined) {
      list.push(port === r.port ? r : { ...r, port });
      seen.set(key, node);
    } else {
      const { file, line } = other.keyword;
      c.report.add('error', 'KS_CONF_DUPLICATE', node.keyword, `${key} is there twice`, {
        hint: `first at ${file}:${line}`,
      });
    }
  }
  return list;
};

export const virtualServer = (c: Context, n: Node): VirtualServer | null => {
  const target = targetOf(c, n);
  if (target === null) return null;
  const at = n.args[0] ?? n.keyword;
  noMore(c, n, 2);
  if (n.block === null) {
    c.report.add('error', 'KS_CONF_BLOCK', n.keyword, 'virtual_server needs a block');
    return null;
  }
  const d = draft(target, at);
  readBlock(c, n.block, virtualServerTable, d);
  warnOfDefaults(c, n.block, at, target);
  d.realServers = realServers(c, d);
  if (d.servers.length === 0)
    c.report.add('error', 'KS_CONF_MISSING', at, 'virtual_server has no real_server');
  clampQuorum(c, d, at);
  const { weight, timing, servers, ...plain } = d;
  return plain;
};
