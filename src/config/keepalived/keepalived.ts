/** keepalived.conf from its tree to the normalised value: the blocks of the top level. */
import type { Node } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  integer,
  integerOf,
  prefixOf,
  type Readers,
  readBlock,
  text,
} from '../values.js';
import { localAddressGroup, virtualServerGroup } from './groups.js';
import type {
  GarpConfig,
  GlobalDefs,
  KeepalivedConfig,
  LocalAddressGroup,
  StaticAddress,
  StaticRoute,
  VirtualServer,
  VirtualServerGroup,
  VrrpInstance,
  VrrpSyncGroup,
} from './types.js';
import { virtualServer } from './virtual-server.js';
import { addressEntry, garpReaders, vrrpInstance, vrrpSyncGroup } from './vrrp.js';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

interface Globals {
  readonly defs: Draft<GlobalDefs>;
  readonly vrrp: {
    lowerPrioNoAdvert: boolean;
    higherPrioSendAdvert: boolean;
    skipCheckAdvertAddresses: boolean;
    checkUnicastSource: boolean;
    downTimerAdverts: number;
    v3ChecksumAsV2: boolean;
  };
}

const globals = (hostName: string): Globals => ({
  defs: {
    routerId: hostName,
    vrrpVersion: 2,
    vrrpMcastGroup4: '224.0.0.18',
    garp: {
      masterDelayMs: 5000,
      masterRepeat: 5,
      refreshMs: 0,
      refreshRepeat: 1,
      lowerPrioDelayMs: 5000,
      lowerPrioRepeat: 5,
    },
    lvsTimeouts: { tcpMs: null, tcpFinMs: null, udpMs: null },
  },
  vrrp: {
    lowerPrioNoAdvert: false,
    higherPrioSendAdvert: false,
    skipCheckAdvertAddresses: false,
    checkUnicastSource: false,
    downTimerAdverts: 3,
    v3ChecksumAsV2: false,
  },
});

/** `lvs_timeouts tcp 300 tcpfin 60 udp 30`, each part optional. */
const lvsTimeouts = (c: Context, g: Globals) => (n: Node) => {
  const keys = { tcp: 'tcpMs', tcpfin: 'tcpFinMs', udp: 'udpMs' } as const;
  const out = { ...g.defs.lvsTimeouts };
  for (let i = 0; i < n.args.length; i += 2) {
    const [w, v] = [n.args[i], n.args[i + 1]];
    const key = w === undefined ? undefined : keys[w.text as keyof typeof keys];
    if (w === undefined || v === undefined || key === undefined) {
      c.report.add('error', 'KS_CONF_VALUE', w ?? n.keyword, 'wrong value', {
        expected: '[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]',
      });
      break;
    }
    const s = integerOf(c, v, 0, 2_678_400);
    if (s !== null && s > 0) out[key] = s * 1000;
  }
  g.defs.lvsTimeouts = out;
};

const globalReaders = (c: Context, g: Globals): Readers => {
  const garp: Draft<GarpConfig> = g.defs.garp;
  return {
    router_id: text(c, 'a name', (s) => {
      g.defs.routerId = s;
    }),
    vrrp_version: integer(c, 2, 3, (x) => {
      g.defs.vrrpVersion = x === 3 ? 3 : 2;
    }),
    vrrp_mcast_group4: address(c, (a) => {
      g.defs.vrrpMcastGroup4 = a;
    }),
    vrrp_lower_prio_no_advert: boolean(c, (b) => {
      g.vrrp.lowerPrioNoAdvert = b;
    }),
    vrrp_higher_prio_send_advert: boolean(c, (b) => {
      g.vrrp.higherPrioSendAdvert = b;
    }),
    vrrp_skip_check_adv_addr: boolean(c, (b) => {
      g.vrrp.skipCheckAdvertAddresses = b;
    }),
    vrrp_check_unicast_src: boolean(c, (b) => {
      g.vrrp.checkUnicastSource = b;
    }),
    vrrp_down_timer_adverts: integer(c, 1, 100, (x) => {
      g.vrrp.downTimerAdverts = x;
    }),
    v3_checksum_as_v2: boolean(c, (b) => {
      g.vrrp.v3ChecksumAsV2 = b;
    }),
    lvs_timeouts: lvsTimeouts(c, g),
    notification_email: block(c, () => undefined),
    ...garpReaders(c, 'vrrp_', garp),
  };
};

const staticAddress = (c: Context, n: Node): StaticAddress | null => {
  const a = addressEntry(c, n);
  if (a === null) return null;
  if (a.dev === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'a static address needs its interface', {
      expected: 'ADDRESS/LENGTH dev INTERFACE',
    });
    return null;
  }
  const { address: host, prefixLength } = a;
  return { address: host, prefixLength, dev: a.dev.text, place: n.keyword.place };
};

const routeWords: Readonly<Record<string, 'via' | 'dev' | 'src' | 'metric'>> = {
  via: 'via',
  gw: 'via',
  dev: 'dev',
  src: 'src',
  metric: 'metric',
  priority: 'metric',
};

/** `default` is of its gateway's family. */
const anywhere = (via: string | null): string => (via?.includes(':') ? '::' : '0.0.0.0');

/** `[to] PREFIX|default [via A] [dev IF] [src A] [metric N]`; other words of ip route are warned of. */
const staticRoute = (c: Context, n: Node): StaticRoute | null => {
  const words = [n.keyword, ...n.args].filter((w) => !['to', 'add', 'unicast'].includes(w.text));
  const [to, ...rest] = words;
  if (to === undefined) return null;
  const prefix = to.text === 'default' ? { address: '0.0.0.0', prefixLength: 0 } : prefixOf(c, to);
  const d: Record<'via' | 'dev' | 'src', string | null> & { metric: number | null } = {
    via: null,
    dev: null,
    src: null,
    metric: null,
  };
  for (let i = 0; i < rest.length; i += 2) {
    const [w, v] = [rest[i], rest[i + 1]];
    if (w === undefined) break;
    const key = routeWords[w.text];
    if (key === undefined || v === undefined) {
      c.report.add('warning', 'KS_CONF_SURPLUS', w, `'${w.text}' is not read in a route`);
      i--;
    } else if (key === 'metric') d.metric = integerOf(c, v, 0, 0xffffffff);
    else d[key] = v.text;
  }
  if (prefix === null) return null;
  const { prefixLength } = prefix;
  const destination = to.text === 'default' ? anywhere(d.via) : prefix.address;
  if (d.via === null && d.dev === null) {
    c.report.add('error', 'KS_CONF_MISSING', to, 'a route needs via or dev');
    return null;
  }
  return { destination, prefixLength, ...d, place: to.place };
};

const pushed = <T>(list: T[], value: T | null): void => {
  if (value !== null) list.push(value);
};

/** A name, and a VRID on an interface, belong to one instance. */
const isNew = (c: Context, i: VrrpInstance, others: readonly VrrpInstance[]): boolean => {
  const at = { place: i.place, length: i.name.length };
  const same = others.find((o) => o.name === i.name);
  const rival = others.find((o) => o.vrid === i.vrid && o.interface === i.interface);
  if (same !== undefined)
    c.report.add('error', 'KS_CONF_DUPLICATE', at, `vrrp_instance ${i.name} is there twice`);
  else if (rival !== undefined)
    c.report.add(
      'error',
      'KS_CONF_DUPLICATE',
      at,
      `${i.name} and ${rival.name} have virtual_router_id ${i.vrid} on ${i.interface}`,
    );
  return same === undefined && rival === undefined;
};

export const keepalivedConfig = (
  c: Context,
  nodes: readonly Node[],
  hostName: string,
): KeepalivedConfig => {
  const g = globals(hostName);
  const staticAddresses: StaticAddress[] = [];
  const staticRoutes: StaticRoute[] = [];
  const instances: Node[] = [];
  const vrrpInstances: VrrpInstance[] = [];
  const vrrpSyncGroups: VrrpSyncGroup[] = [];
  const localAddressGroups: LocalAddressGroup[] = [];
  const virtualServerGroups: VirtualServerGroup[] = [];
  const virtualServers: VirtualServer[] = [];
  readBlock(
    c,
    nodes,
    {
      global_defs: block(c, (inner) => readBlock(c, inner, globalReaders(c, g), 'global_defs')),
      static_ipaddress: block(c, (inner) => {
        for (const n of inner) pushed(staticAddresses, staticAddress(c, n));
      }),
      static_routes: block(c, (inner) => {
        for (const n of inner) pushed(staticRoutes, staticRoute(c, n));
      }),
      vrrp_instance: (n) => void instances.push(n),
      vrrp_sync_group: (n) => pushed(vrrpSyncGroups, vrrpSyncGroup(c, n)),
      local_address_group: (n) => pushed(localAddressGroups, localAddressGroup(c, n)),
      virtual_server_group: (n) => pushed(virtualServerGroups, virtualServerGroup(c, n)),
      virtual_server: (n) => pushed(virtualServers, virtualServer(c, n)),
    },
    'keepalived.conf',
  );
  // global_defs count for instances written before them, too (keepalived.md 1.9).
  for (const n of instances) {
    const i = vrrpInstance(c, n, g.defs, g.vrrp);
    if (i !== null && isNew(c, i, vrrpInstances)) vrrpInstances.push(i);
  }
  return {
    globalDefs: g.defs,
    staticAddresses,
    staticRoutes,
    vrrpInstances,
    vrrpSyncGroups,
    localAddressGroups,
    virtualServerGroups,
    virtualServers,
  };
};
