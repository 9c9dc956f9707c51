/** vrrp_instance and vrrp_sync_group (keepalived.md 2.7, 2.8). */
import type { Node, Word } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  flag,
  integer,
  noMore,
  oneOf,
  prefixOf,
  readBlock,
  seconds,
  text,
} from '../values.js';
import type {
  Authentication,
  GarpConfig,
  GlobalDefs,
  VirtualAddress,
  VrrpInstance,
  VrrpSyncGroup,
} from './types.js';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** Words of an address entry that take a value (ip address add), and those that stand alone. */
const addressOptions: Readonly<Record<string, number>> = {
  brd: 1,
  broadcast: 1,
  scope: 1,
  label: 1,
  peer: 1,
  preferred_lft: 1,
  track_group: 1,
  use_vmac: 0,
  home: 0,
  '-nodad': 0,
  mngtmpaddr: 0,
  noprefixroute: 0,
  autojoin: 0,
  no_track: 0,
};

/** `ADDRESS[/LENGTH] [dev IF] ...`, one entry a line. */
export const addressEntry = (
  c: Context,
  n: Node,
): {
  readonly address: string;
  readonly prefixLength: number;
  readonly dev: Word | null;
} | null => {
  const prefix = prefixOf(c, n.keyword);
  let dev: Word | null = null;
  for (let i = 0; i < n.args.length; i++) {
    const w = n.args[i];
    if (w === undefined) break;
    if (w.text === 'dev') {
      dev = n.args[++i] ?? null;
      if (dev === null) c.report.add('error', 'KS_CONF_MISSING', w, "'dev' needs an interface");
      continue;
    }
    const takes = addressOptions[w.text];
    if (takes === undefined)
      c.report.add('warning', 'KS_CONF_SURPLUS', w, `'${w.text}' is not read in an address entry`);
    else i += takes;
  }
  return prefix === null ? null : { ...prefix, dev };
};

const addresses = (c: Context, into: VirtualAddress[]) =>
  block(c, (nodes) => {
    for (const n of nodes) {
      const a = addressEntry(c, n);
      if (a === null) continue;
      const { address: host, prefixLength, dev } = a;
      if (into.some((x) => x.address === host))
        c.report.add('error', 'KS_CONF_DUPLICATE', n.keyword, `${host} is there twice`);
      else
        into.push({ address: host, prefixLength, dev: dev?.text ?? null, place: n.keyword.place });
    }
  });

const authentication = (c: Context, set: (a: Authentication) => void) =>
  block(c, (nodes, { keyword: at }) => {
    let type: 'PASS' | 'AH' | null = null;
    let password: string | null = null;
    readBlock(
      c,
      nodes,
      {
        auth_type: oneOf(c, ['PASS', 'AH'], (t) => {
          type = t;
        }),
        auth_pass: text(c, 'a password of at most 8 characters', (s, w) => {
          if (s.length > 8)
            c.report.add('warning', 'KS_CONF_PASSWORD', w, 'only the first 8 characters count');
          password = s.slice(0, 8);
        }),
      },
      'authentication',
    );
    if (type !== null && password === null)
      c.report.add('warning', 'KS_CONF_AUTH', at, 'authentication without auth_pass is not used');
    if (password !== null && type !== null)
      set({ type: type === 'PASS' ? 'pass' : 'ah', password });
  });

export const garpReaders = (c: Context, prefix: string, g: Draft<GarpConfig>) => ({
  [`${prefix}garp_master_delay`]: seconds(c, 0, 86_400, (ms) => {
    g.masterDelayMs = ms;
  }),
  [`${prefix}garp_master_repeat`]: integer(c, 1, 1000, (x) => {
    g.masterRepeat = x;
  }),
  [`${prefix}garp_master_refresh`]: seconds(c, 0, 86_400, (ms) => {
    g.refreshMs = ms;
  }),
  [`${prefix}garp_master_refresh_repeat`]: integer(c, 1, 1000, (x) => {
    g.refreshRepeat = x;
  }),
  [`${prefix}garp_lower_prio_delay`]: seconds(c, 0, 86_400, (ms) => {
    g.lowerPrioDelayMs = ms;
  }),
  [`${prefix}garp_lower_prio_repeat`]: integer(c, 0, 1000, (x) => {
    g.lowerPrioRepeat = x;
  }),
});

/** Version 3 counts in units of 10 ms up to 40.95 s, version 2 in whole seconds. */
const checkInterval = (c: Context, d: Draft<VrrpInstance>, at: Word): void => {
  const rounded = (message: string, ms: number): void => {
    c.report.add('warning', 'KS_CONF_VALUE', at, `${d.name}: ${message}`, {
      found: `${d.advertMs / 1000}`,
      hint: `${ms / 1000} is used`,
    });
    d.advertMs = ms;
  };
  if (d.version === 2 && d.advertMs % 1000 !== 0)
    c.report.add('error', 'KS_CONF_VALUE', at, `${d.name}: advert_int of version 2`, {
      found: `${d.advertMs / 1000}`,
      expected: 'whole seconds, or version 3',
    });
  if (d.version === 3 && d.advertMs > 40_950) rounded('advert_int is at most 40.95', 40_950);
  if (d.version === 3 && d.advertMs % 10 !== 0)
    rounded('advert_int counts in hundredths', Math.max(10, Math.round(d.advertMs / 10) * 10));
};

const checkPreemption = (c: Context, d: Draft<VrrpInstance>, at: Word): void => {
  const reset = (message: string): void =>
    c.report.add('warning', 'KS_CONF_PREEMPT', at, `${d.name}: ${message}; it is not used`);
  if (!d.preempt && d.priority === 255) {
    reset('nopreempt does not go with priority 255');
    d.preempt = true;
  }
  if (d.preemptDelayMs > 0 && !d.preempt) {
    reset('preempt_delay does not go with nopreempt');
    d.preemptDelayMs = 0;
  }
  if (d.preemptDelayMs > 0 && d.state === 'MASTER') {
    reset('preempt_delay does not go with state MASTER');
    d.preemptDelayMs = 0;
  }
};

const checkInstance = (c: Context, d: Draft<VrrpInstance>, at: Word, hasVrid: boolean): void => {
  const missing = (what: string): void =>
    c.report.add('error', 'KS_CONF_MISSING', at, `vrrp_instance ${d.name} has no ${what}`);
  const warn = (code: string, message: string): void =>
    c.report.add('warning', code, at, `${d.name}: ${message}`);
  if (!hasVrid) missing('virtual_router_id');
  if (d.interface === '') missing('interface');
  if (d.interface === 'lo')
    c.report.add('error', 'KS_CONF_VALUE', at, `${d.name}: VRRP cannot run on lo`);
  if (d.version === 3 && d.virtualAddresses.length === 0) missing('virtual_ipaddress');
  if (d.version === 2 && d.virtualAddresses.length === 0)
    warn('KS_CONF_MISSING', 'no virtual_ipaddress');
  if (d.virtualAddresses.length > 255)
    c.report.add(
      'error',
      'KS_CONF_VALUE',
      at,
      `${d.name}: an advertisement carries 255 addresses`,
      {
        found: `${d.virtualAddresses.length}`,
        hint: 'move the rest to virtual_ipaddress_excluded',
      },
    );
  if (d.unicastTtl !== 255 && d.unicastPeers.length === 0)
    warn('KS_CONF_UNICAST', 'unicast_ttl without unicast_peer is not used');
  if (!/^2(2[4-9]|3\d)\./.test(d.multicastGroup))
    c.report.add('error', 'KS_CONF_VALUE', at, `${d.name}: mcast_dst_ip is no multicast address`, {
      found: d.multicastGroup,
    });
  if (d.version === 3 && d.authentication.type !== 'none')
    warn('KS_CONF_AUTH', 'version 3 has no authentication; it is not used');
  if (d.authentication.type === 'ah')
    c.report.add('error', 'KS_CONF_AUTH', at, `${d.name}: auth_type AH is not supported`, {
      expected: 'PASS, or none',
    });
  checkInterval(c, d, at);
  checkPreemption(c, d, at);
};

export const vrrpInstance = (
  c: Context,
  n: Node,
  defs: GlobalDefs,
  global: Pick<
    VrrpInstance,
    'lowerPrioNoAdvert' | 'higherPrioSendAdvert' | 'skipCheckAdvertAddresses' | 'checkUnicastSource'
  > & { readonly downTimerAdverts: number; readonly v3ChecksumAsV2: boolean },
): VrrpInstance | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'vrrp_instance needs a name and a block');
    return null;
  }
  noMore(c, n, 1);
  const garp: Draft<GarpConfig> = { ...defs.garp };
  const virtualAddresses: VirtualAddress[] = [];
  const excludedAddresses: VirtualAddress[] = [];
  const unicastPeers: string[] = [];
  let vrid: number | null = null;
  let priority: number | null = null;
  let stateSeen = false;
  const d: Draft<VrrpInstance> = {
    name: name.text,
    state: 'BACKUP',
    interface: '',
    dpdkInterface: null,
    vrid: 0,
    priority: 100,
    advertMs: 1000,
    version: defs.vrrpVersion,
    authentication: { type: 'none' },
    virtualAddresses,
    excludedAddresses,
    unicastPeers,
    unicastTtl: 255,
    sourceAddress: null,
    multicastGroup: defs.vrrpMcastGroup4,
    preempt: true,
    preemptDelayMs: 0,
    garp,
    dontTrackPrimary: false,
    ...global,
    place: name.place,
  };
  readBlock(
    c,
    n.block,
    {
      state: (x) =>
        oneOf(c, ['MASTER', 'BACKUP'], (s) => {
          if (stateSeen && d.state !== s)
            c.report.add('warning', 'KS_CONF_DUPLICATE', x.keyword, `state ${d.state} stays`);
          else d.state = s;
          stateSeen = true;
        })(x),
      interface: text(c, 'an interface', (s) => {
        d.interface = s;
      }),
      dpdk_interface: text(c, 'a device of dpvs.conf', (s) => {
        d.dpdkInterface = s;
      }),
      virtual_router_id: integer(c, 1, 255, (x) => {
        vrid = x;
      }),
      priority: integer(c, 1, 255, (x) => {
        priority = x;
      }),
      advert_int: seconds(c, 0.01, 255, (ms) => {
        d.advertMs = ms;
      }),
      version: integer(c, 2, 3, (x) => {
        d.version = x === 3 ? 3 : 2;
      }),
      authentication: authentication(c, (a) => {
        d.authentication = a;
      }),
      virtual_ipaddress: addresses(c, virtualAddresses),
      virtual_ipaddress_excluded: addresses(c, excludedAddresses),
      unicast_peer: block(c, (nodes) => {
        for (const p of nodes) {
          const a = prefixOf(c, p.keyword);
          if (a !== null) unicastPeers.push(a.address);
        }
      }),
      unicast_ttl: integer(c, 0, 255, (x) => {
        d.unicastTtl = x;
      }),
      check_unicast_src: boolean(c, (b) => {
        d.checkUnicastSource = b;
      }),
      mcast_src_ip: address(c, (a) => {
        d.sourceAddress = a;
      }),
      unicast_src_ip: address(c, (a) => {
        d.sourceAddress = a;
      }),
      mcast_dst_ip: address(c, (a) => {
        d.multicastGroup = a;
      }),
      nopreempt: flag(c, () => {
        d.preempt = false;
      }),
      preempt: flag(c, () => {
        d.preempt = true;
      }),
      preempt_delay: seconds(c, 0, 1000, (ms) => {
        d.preemptDelayMs = ms;
      }),
      down_timer_adverts: integer(c, 1, 100, (x) => {
        d.downTimerAdverts = x;
      }),
      lower_prio_no_advert: boolean(c, (b) => {
        d.lowerPrioNoAdvert = b;
      }),
      higher_prio_send_advert: boolean(c, (b) => {
        d.higherPrioSendAdvert = b;
      }),
      skip_check_adv_addr: boolean(c, (b) => {
        d.skipCheckAdvertAddresses = b;
      }),
      v3_checksum_as_v2: boolean(c, (b) => {
        d.v3ChecksumAsV2 = b;
      }),
      dont_track_primary: flag(c, () => {
        d.dontTrackPrimary = true;
      }),
      ...garpReaders(c, '', garp),
    },
    `vrrp_instance ${name.text}`,
  );
  d.priority = priority ?? (d.state === 'MASTER' ? 255 : 100);
  checkInstance(c, d, name, vrid !== null);
  return vrid === null || d.interface === '' ? null : { ...d, vrid };
};

export const vrrpSyncGroup = (c: Context, n: Node): VrrpSyncGroup | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'vrrp_sync_group needs a name and a block');
    return null;
  }
  const members: string[] = [];
  readBlock(
    c,
    n.block,
    {
      group: block(c, (nodes) => {
        for (const m of nodes) members.push(m.keyword.text, ...m.args.map((w) => w.text));
      }),
    },
    `vrrp_sync_group ${name.text}`,
  );
  if (members.length < 2)
    c.report.add(
      'warning',
      'KS_CONF_SYNC_GROUP',
      name,
      `vrrp_sync_group ${name.text} has ${members.length} member${members.length === 1 ? '' : 's'}`,
    );
  return { name: name.text, members, place: name.place };
};
