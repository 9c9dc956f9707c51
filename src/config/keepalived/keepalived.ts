/** keepalived.conf to the normalised value: the blocks of the top level, as the tree hands them over. */
import type { Place } from '../diagnostics.js';
import { languageOf } from '../language.js';
import type { Node, Report } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  type Draft,
  freeze,
  integer,
  integerOf,
  interfaceName,
  missing,
  type PatternCheck,
  type Reader,
  readBlock,
  readNode,
  type Table,
  table,
  text,
  topLevel,
  wrong,
} from '../values.js';
import { checkerTables } from './checkers.js';
import { garpDefaults, garpReaders } from './garp.js';
import { localAddressGroup, virtualServerGroup } from './groups.js';
import { knownWords, reasons } from './known.js';
import { staticAddress, staticRoute } from './static.js';
import type {
  GarpConfig,
  KeepalivedConfig,
  LocalAddressGroup,
  StaticAddress,
  StaticRoute,
  VirtualServer,
  VirtualServerGroup,
  VrrpInstance,
  VrrpSyncGroup,
} from './types.js';
import { serviceTables, virtualServer } from './virtual-server.js';
import { type InstanceDefaults, vrrpInstance, vrrpSyncGroup, vrrpTables } from './vrrp.js';

/** global_defs while they are read. */
interface Globals {
  routerId: string;
  vrrpVersion: 2 | 3;
  vrrpMcastGroup4: string;
  defaultInterface: string | null;
  minGarp: boolean;
  readonly garp: Partial<Draft<GarpConfig>>;
  readonly timeouts: Draft<KeepalivedConfig['globalDefs']['lvsTimeouts']>;
  readonly vrrp: Draft<InstanceDefaults>;
}

const globals = (hostName: string): Globals => ({
  routerId: hostName,
  vrrpVersion: 2,
  vrrpMcastGroup4: '224.0.0.18',
  defaultInterface: null,
  minGarp: false,
  garp: {},
  timeouts: { tcpMs: null, tcpFinMs: null, udpMs: null },
  vrrp: {
    lowerPrioNoAdvert: false,
    higherPrioSendAdvert: false,
    skipCheckAdvertAddresses: false,
    checkUnicastSource: false,
    downTimerAdverts: 3,
    v3ChecksumAsV2: false,
  },
});

const timeoutKeys: ReadonlyMap<string, 'tcpMs' | 'tcpFinMs' | 'udpMs'> = new Map([
  ['tcp', 'tcpMs'],
  ['tcpfin', 'tcpFinMs'],
  ['udp', 'udpMs'],
]);

/** `lvs_timeouts tcp 300 tcpfin 60 udp 30`, each part optional; 0 changes nothing. */
const lvsTimeouts: Reader<Globals> = (c, n, g) => {
  if (n.args.length === 0) missing(c, n, '[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]');
  for (let i = 0; i < n.args.length; i += 2) {
    const [w, v] = [n.args[i], n.args[i + 1]];
    const key = w === undefined ? undefined : timeoutKeys.get(w.text);
    if (w === undefined || v === undefined || key === undefined) {
      wrong(c, w ?? n.keyword, '[tcp SECONDS] [tcpfin SECONDS] [udp SECONDS]');
      return;
    }
    const s = integerOf(c, v, 0, 2_678_400);
    if (s !== null && s > 0) g.timeouts[key] = s * 1000;
  }
};

const globalTable: Table<Globals> = table('global_defs', {
  router_id: text('a name', (g, s) => {
    g.routerId = s;
  }),
  default_interface: interfaceName('an interface', (g, s) => {
    g.defaultInterface = s;
  }),
  // read with the lines, where it seeds ${_RANDOM}
  random_seed: integer(0, 0xffffffff, () => undefined),
  vrrp_version: integer(2, 3, (g, x) => {
    g.vrrpVersion = x === 3 ? 3 : 2;
  }),
  vrrp_mcast_group4: address((g, a) => {
    g.vrrpMcastGroup4 = a;
  }),
  vrrp_lower_prio_no_advert: boolean((g, b) => {
    g.vrrp.lowerPrioNoAdvert = b;
  }),
  vrrp_higher_prio_send_advert: boolean((g, b) => {
    g.vrrp.higherPrioSendAdvert = b;
  }),
  vrrp_skip_check_adv_addr: boolean((g, b) => {
    g.vrrp.skipCheckAdvertAddresses = b;
  }),
  vrrp_check_unicast_src: boolean((g, b) => {
    g.vrrp.checkUnicastSource = b;
  }),
  vrrp_down_timer_adverts: integer(1, 100, (g, x) => {
    g.vrrp.downTimerAdverts = x;
  }),
  v3_checksum_as_v2: boolean((g, b) => {
    g.vrrp.v3ChecksumAsV2 = b;
  }),
  vrrp_min_garp: boolean((g, b) => {
    g.minGarp = b;
  }),
  lvs_timeouts: lvsTimeouts,
  ...garpReaders<Globals>('vrrp_', (g) => g.garp),
});

/** The file while it is read. Instances and static addresses wait for global_defs (keepalived.md 1.9). */
interface FileDraft {
  readonly globals: Globals;
  /** Where each `kind name` was given. */
  readonly names: Map<string, Place>;
  readonly instances: Node[];
  readonly staticAddresses: Node[];
  readonly staticRoutes: StaticRoute[];
  readonly vrrpSyncGroups: VrrpSyncGroup[];
  readonly localAddressGroups: LocalAddressGroup[];
  readonly virtualServerGroups: VirtualServerGroup[];
  readonly virtualServers: VirtualServer[];
}

const pushed = <T>(list: T[], value: T | null): void => {
  if (value !== null) list.push(freeze(value));
};

/** Keeps a named value; a second one of its kind and name is an error. */
const kept = <T extends { readonly name: string; readonly place: Place }>(
  c: Context,
  d: FileDraft,
  kind: string,
  list: T[],
  one: T | null,
): void => {
  if (one === null) return;
  const key = `${kind} ${one.name}`;
  const other = d.names.get(key);
  if (other === undefined) {
    d.names.set(key, one.place);
    list.push(freeze(one));
  } else
    c.report.add(
      'error',
      'KS_CONF_DUPLICATE',
      { ...one.place, length: one.name.length },
      `${key} is there twice`,
      { hint: `first at ${other.file}:${other.line}` },
    );
};

const fileTable: Table<FileDraft> = table(topLevel, {
  global_defs: block((c, nodes, d) => readBlock(c, nodes, globalTable, d.globals)),
  static_ipaddress: block((_c, nodes, d) => {
    for (const n of nodes) d.staticAddresses.push(n);
  }),
  static_routes: block((c, nodes, d) => {
    for (const n of nodes) pushed(d.staticRoutes, staticRoute(c, n));
  }),
  vrrp_instance: (_c, n, d) => void d.instances.push(n),
  vrrp_sync_group: (c, n, d) =>
    kept(c, d, 'vrrp_sync_group', d.vrrpSyncGroups, vrrpSyncGroup(c, n)),
  local_address_group: (c, n, d) =>
    kept(c, d, 'local_address_group', d.localAddressGroups, localAddressGroup(c, n)),
  virtual_server_group: (c, n, d) =>
    kept(c, d, 'virtual_server_group', d.virtualServerGroups, virtualServerGroup(c, n)),
  virtual_server: (c, n, d) => pushed(d.virtualServers, virtualServer(c, n)),
});

export const language = languageOf(
  [fileTable, globalTable, ...vrrpTables, ...serviceTables, ...checkerTables],
  knownWords,
  reasons,
);

const familyOf = (i: VrrpInstance): string => {
  const a = i.virtualAddresses[0]?.address ?? i.sourceAddress ?? i.unicastPeers[0] ?? '';
  return a.includes(':') ? 'IPv6' : 'IPv4';
};

/** Whether two instances of one VRID would never see each other's adverts. */
const areApart = (a: VrrpInstance, b: VrrpInstance): boolean => {
  const [p, q] = [new Set(a.unicastPeers), b.unicastPeers];
  if (p.size > 0 !== q.length > 0) return true;
  return p.size > 0 ? !q.some((x) => p.has(x)) : a.multicastGroup !== b.multicastGroup;
};

/** A name belongs to one instance, and so does a VRID of one family on one interface. */
const newInstances = (c: Context): ((i: VrrpInstance) => boolean) => {
  const names = new Map<string, VrrpInstance>();
  const identities = new Map<string, VrrpInstance>();
  const first = (o: VrrpInstance): string => `first at ${o.place.file}:${o.place.line}`;
  return (i) => {
    const at = { ...i.place, length: i.name.length };
    const same = names.get(i.name);
    const identity = `${i.interface} ${i.vrid} ${familyOf(i)}`;
    const rival = identities.get(identity);
    if (same !== undefined)
      c.report.add('error', 'KS_CONF_DUPLICATE', at, `vrrp_instance ${i.name} is there twice`, {
        hint: first(same),
      });
    else if (rival !== undefined && areApart(i, rival))
      c.report.add(
        'error',
        'KS_CONF_UNSUPPORTED',
        at,
        `${i.name} and ${rival.name} have virtual_router_id ${i.vrid} on ${i.interface}, apart by group or peers alone, which is not supported yet`,
        { hint: `give one of them another virtual_router_id; ${first(rival)}` },
      );
    else if (rival !== undefined)
      c.report.add(
        'error',
        'KS_CONF_DUPLICATE',
        at,
        `${i.name} and ${rival.name} have virtual_router_id ${i.vrid} on ${i.interface} with ${familyOf(i)}`,
        { hint: first(rival) },
      );
    names.set(i.name, i);
    identities.set(identity, i);
    return same === undefined && rival === undefined;
  };
};

export interface KeepalivedReading {
  readonly take: (n: Node) => void;
  readonly finish: () => KeepalivedConfig;
}

/** Reads blocks of the top level one by one; the value when all have been taken. */
export const keepalivedReading = (
  report: Report,
  pattern: PatternCheck,
  hostName: string,
): KeepalivedReading => {
  const c: Context = { report, language, pattern };
  const d: FileDraft = {
    globals: globals(hostName),
    names: new Map(),
    instances: [],
    staticAddresses: [],
    staticRoutes: [],
    vrrpSyncGroups: [],
    localAddressGroups: [],
    virtualServerGroups: [],
    virtualServers: [],
  };
  return {
    take: (n) => readNode(c, n, fileTable, d),
    finish: () => {
      const g = d.globals;
      const globalDefs = {
        routerId: g.routerId,
        vrrpVersion: g.vrrpVersion,
        vrrpMcastGroup4: g.vrrpMcastGroup4,
        garp: garpDefaults(g.garp, g.minGarp),
        lvsTimeouts: g.timeouts,
      };
      const isNew = newInstances(c);
      const vrrpInstances: VrrpInstance[] = [];
      for (const n of d.instances) {
        const i = vrrpInstance(c, n, globalDefs, g.vrrp);
        if (i !== null && isNew(i)) pushed(vrrpInstances, i);
      }
      const staticAddresses: StaticAddress[] = [];
      for (const n of d.staticAddresses)
        pushed(staticAddresses, staticAddress(c, n, g.defaultInterface));
      const { staticRoutes, vrrpSyncGroups, localAddressGroups, virtualServerGroups } = d;
      return freeze({
        globalDefs,
        staticAddresses,
        staticRoutes,
        vrrpInstances,
        vrrpSyncGroups,
        localAddressGroups,
        virtualServerGroups,
        virtualServers: d.virtualServers,
      });
    },
  };
};
