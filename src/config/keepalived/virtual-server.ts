/** virtual_server, real_server and the groups they refer to (keepalived.md 2.10-2.12, dpvs.md 4.1, 4.2). */
import { endpoint } from '../../net/endpoint.js';
import { parseIpv4 } from '../../net/ipv4.js';
import type { Node, Word } from '../text.js';
import {
  addressOf,
  boolean,
  type Context,
  flag,
  integer,
  integerOf,
  noMore,
  oneOf,
  type Reader,
  type Readers,
  readBlock,
  seconds,
  text,
} from '../values.js';
import {
  type CheckerKind,
  checker,
  checkerKinds,
  type TimingWords,
  timingReaders,
} from './checkers.js';
import { matchReaders } from './match.js';
import { tunnelKind } from './tunnel.js';
import type {
  Checker,
  ForwardingKind,
  RealServer,
  Script,
  VirtualServer,
  VirtualServerTarget,
} from './types.js';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

const schedulers = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'lblcr',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'sed',
  'nq',
  'twos',
  'conhash',
] as const;
const forwardings: readonly ForwardingKind[] = ['NAT', 'DR', 'TUN', 'FNAT', 'SNAT'];

/** ADDRESS [PORT]; without a port 0. */
const addressAndPort = (
  c: Context,
  words: readonly Word[],
): { readonly address: string; readonly port: number } | null => {
  const [a, p] = words;
  if (a === undefined) return null;
  const address = addressOf(c, a);
  const port = p === undefined ? 0 : integerOf(c, p, 0, 65_535);
  return address === null || port === null ? null : { address, port };
};

const script = (n: Node): Script | null => {
  const [command, user, group] = n.args;
  if (command === undefined) return null;
  return {
    command: command.text.split(/\s+/).filter((s) => s !== ''),
    user: user?.text ?? null,
    group: group?.text ?? null,
  };
};

const realServer = (c: Context, n: Node, vs: TimingWords): RealServer | null => {
  const where = addressAndPort(c, n.args);
  if (where === null) {
    if (n.args.length === 0)
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'real_server needs an address');
    return null;
  }
  noMore(c, n, 2);
  const own: TimingWords = {};
  const d = {
    weight: 1,
    upperThreshold: 0,
    lowerThreshold: 0,
    inhibitOnFailure: false,
    virtualhost: null as string | null,
  };
  const found: { readonly kind: CheckerKind; readonly node: Node }[] = [];
  const kinds: Readers = Object.fromEntries(
    checkerKinds.map((kind) => [kind, (node: Node) => void found.push({ kind, node })]),
  );
  readBlock(
    c,
    n.block ?? [],
    {
      ...timingReaders(c, own, 1),
      ...kinds,
      weight: integer(c, 0, 2_147_483_647, (x) => {
        d.weight = x;
      }),
      uthreshold: integer(c, 0, 2_147_483_647, (x) => {
        d.upperThreshold = x;
      }),
      lthreshold: integer(c, 0, 2_147_483_647, (x) => {
        d.lowerThreshold = x;
      }),
      inhibit_on_failure: boolean(c, (b) => {
        d.inhibitOnFailure = b;
      }),
      alpha: boolean(c, (b) => {
        own.alpha = b;
      }),
      virtualhost: text(c, 'a host name', (s) => {
        d.virtualhost = s;
      }),
    },
    'real_server',
  );
  const checkers = found
    .map(({ kind, node }) => checker(c, kind, node, [own, vs]))
    .filter((x): x is Checker => x !== null);
  if (d.weight > 65_535) {
    const place = n.args[0] ?? n.keyword;
    c.report.add('warning', 'KS_CONF_WEIGHT', place, 'weights above 65535 count as 65535');
    d.weight = 65_535;
  }
  if (d.lowerThreshold > d.upperThreshold)
    c.report.add('error', 'KS_CONF_THRESHOLD', n.args[0] ?? n.keyword, 'thresholds the wrong way', {
      found: `lthreshold ${d.lowerThreshold} and ${d.upperThreshold === 0 ? 'no uthreshold' : `uthreshold ${d.upperThreshold}`}`,
      expected: 'a uthreshold not below it',
    });
  return { ...where, ...d, checkers, place: n.keyword.place };
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
      return mark === null ? null : { kind: 'fwmark', mark };
    }
    default: {
      const where = addressAndPort(c, n.args);
      return where === null ? null : { kind: 'address', ...where };
    }
  }
};

const clampQuorum = (c: Context, d: Draft<VirtualServer>, at: Word): void => {
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

const defaults = (target: VirtualServerTarget, at: Word): Draft<VirtualServer> => ({
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
  quorumUp: null,
  quorumDown: null,
  sorryServer: null,
  haSuspend: false,
  inhibitOnFailure: false,
  virtualhost: null,
  realServers: [],
  place: at.place,
});

/** A netmask, or a prefix length as for IPv6. */
const granularity = (c: Context, w: Word): number | null => {
  const mask = parseIpv4(w.text);
  if (mask === null) return integerOf(c, w, 1, 128);
  const prefix = Math.clz32(~mask);
  if (prefix === 0 || (prefix < 32 && mask << prefix !== 0)) {
    c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
      found: `'${w.text}'`,
      expected: 'a netmask of ones and then zeros',
    });
    return null;
  }
  return prefix;
};

const serverReaders = (
  c: Context,
  d: Draft<VirtualServer>,
  timing: TimingWords,
  servers: Node[],
): Readers => {
  const scheduler = oneOf(c, schedulers, (s) => {
    d.scheduler = s;
  });
  const forwarding: Reader = (n) => {
    const words = n.args[0]?.text === 'TUN' ? 1 : n.args.length;
    oneOf(c, forwardings, (f) => {
      d.forwarding = f;
    })({ ...n, args: n.args.slice(0, words) });
    if (words < n.args.length) d.tunnel = tunnelKind(c, n, n.args.slice(1));
  };
  return {
    ...timingReaders(c, timing, 1),
    ...matchReaders(c, (part) => {
      d.match = { ...d.match, ...part };
    }),
    lb_algo: scheduler,
    lvs_sched: scheduler,
    lb_kind: forwarding,
    lvs_method: forwarding,
    protocol: (x) => {
      const upper = { ...x, args: x.args.map((w) => ({ ...w, text: w.text.toUpperCase() })) };
      oneOf(c, ['TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPV6'], (p) => {
        d.protocol = p;
      })(upper);
    },
    'sh-port': flag(c, () => {
      d.schedulerPort = true;
    }),
    'mh-port': flag(c, () => {
      d.schedulerPort = true;
    }),
    'sh-fallback': flag(c, () => {
      d.schedulerFallback = true;
    }),
    'mh-fallback': flag(c, () => {
      d.schedulerFallback = true;
    }),
    laddr_group_name: text(c, 'a local_address_group', (s) => {
      d.localAddressGroup = s;
    }),
    quic: flag(c, () => {
      d.quic = 'dpvs';
    }),
    quic_lb: (x) => {
      const [id, length] = x.args;
      if (id === undefined || length === undefined) {
        c.report.add('error', 'KS_CONF_MISSING', x.keyword, "'quic_lb' needs two values", {
          expected: 'CONFIG-ID SERVER-ID-LENGTH',
        });
        return;
      }
      const configId = integerOf(c, id, 0, 6);
      const serverIdLength = integerOf(c, length, 1, 15);
      if (configId !== null && serverIdLength !== null) d.quic = { configId, serverIdLength };
      noMore(c, x, 2);
    },
    ops: flag(c, () => {
      d.onePacket = true;
    }),
    syn_proxy: flag(c, () => {
      d.synProxy = true;
    }),
    expire_quiescent_conn: flag(c, () => {
      d.expireQuiescent = true;
    }),
    establish_timeout: integer(c, 1, 3600, (x) => {
      d.establishTimeoutMs = x * 1000;
    }),
    persistence_granularity: (x) => {
      const w = x.args[0];
      const bits = w === undefined ? null : granularity(c, w);
      if (bits === null) return;
      d.persistencePrefixLength = bits;
      d.persistenceTimeoutMs ??= 360_000;
    },
    persistence_timeout: (x) => {
      const w = x.args[0];
      const s = w === undefined ? 360 : integerOf(c, w, 1, 2_678_400);
      if (s !== null) d.persistenceTimeoutMs = s * 1000;
    },
    alpha: flag(c, () => {
      d.alpha = true;
      timing.alpha = true;
    }),
    omega: flag(c, () => {
      d.omega = true;
    }),
    inhibit_on_failure: flag(c, () => {
      d.inhibitOnFailure = true;
    }),
    ha_suspend: flag(c, () => {
      d.haSuspend = true;
    }),
    quorum: integer(c, 1, 2_147_483_647, (x) => {
      d.quorum = x;
    }),
    hysteresis: integer(c, 0, 2_147_483_647, (x) => {
      d.hysteresis = x;
    }),
    quorum_up: (x) => {
      d.quorumUp = script(x);
    },
    quorum_down: (x) => {
      d.quorumDown = script(x);
    },
    sorry_server: (x) => {
      d.sorryServer = addressAndPort(c, x.args);
    },
    virtualhost: text(c, 'a host name', (s) => {
      d.virtualhost = s;
    }),
    delay_loop: seconds(c, 0.000_001, 86_400, (ms) => {
      timing.delayLoopMs = ms;
    }),
    real_server: (x) => void servers.push(x),
  };
};

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

const realServers = (
  c: Context,
  nodes: readonly Node[],
  target: VirtualServerTarget,
  timing: TimingWords,
): readonly RealServer[] => {
  const list: RealServer[] = [];
  for (const node of nodes) {
    const r = realServer(c, node, timing);
    if (r === null) continue;
    const port = r.port === 0 && target.kind === 'address' ? target.port : r.port;
    if (list.some((x) => x.address === r.address && x.port === port))
      c.report.add(
        'error',
        'KS_CONF_DUPLICATE',
        node.keyword,
        `${endpoint(r.address, port)} is there twice`,
      );
    else list.push({ ...r, port });
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
  const timing: TimingWords = {};
  const servers: Node[] = [];
  const d = defaults(target, at);
  readBlock(c, n.block, serverReaders(c, d, timing, servers), 'virtual_server');
  warnOfDefaults(c, n.block, at, target);
  d.realServers = realServers(c, servers, target, timing);
  if (d.realServers.length === 0)
    c.report.add('error', 'KS_CONF_MISSING', at, 'virtual_server has no real_server');
  clampQuorum(c, d, at);
  return d;
};
