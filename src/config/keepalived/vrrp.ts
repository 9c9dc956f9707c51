/** vrrp_instance and vrrp_sync_group (keepalived.md 2.7, 2.8). */
import { type Node, placeOf, type Word } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  type Draft,
  flag,
  integer,
  interfaceName,
  noMore,
  oneOf,
  prefixOf,
  type Reader,
  readBlock,
  seconds,
  type Table,
  table,
  text,
  wrong,
} from '../values.js';
import { garpReaders } from './garp.js';
import type {
  Authentication,
  GarpConfig,
  GlobalDefs,
  VirtualAddress,
  VrrpInstance,
  VrrpSyncGroup,
} from './types.js';
import { checkInstance } from './vrrp-checks.js';

/** Words of an address entry and how many words belong to each; none of them changes what is held. */
const addressOptions: ReadonlyMap<string, number> = new Map([
  ['brd', 1],
  ['broadcast', 1],
  ['scope', 1],
  ['label', 1],
  ['peer', 1],
  ['preferred_lft', 1],
  ['use_vmac', 0],
  ['home', 0],
  ['-nodad', 0],
  ['mngtmpaddr', 0],
  ['noprefixroute', 0],
  ['autojoin', 0],
  ['no_track', 0],
]);

export interface AddressEntry {
  readonly address: string;
  readonly prefixLength: number;
  readonly dev: Word | null;
}

/** The interface an entry names; its other words are looked at, too. */
const addressDevice = (c: Context, n: Node): Word | null => {
  let dev: Word | null = null;
  for (let i = 0; i < n.args.length; i++) {
    const w = n.args[i];
    if (w === undefined) break;
    const takes = addressOptions.get(w.text);
    if (w.text === 'dev') {
      dev = n.args[++i] ?? null;
      if (dev === null) c.report.add('error', 'KS_CONF_MISSING', w, "'dev' needs an interface");
    } else if (w.text === 'track_group') {
      c.report.add('error', 'KS_CONF_UNSUPPORTED', w, "'track_group' is not supported yet", {
        hint: 'the address would stay here whatever the state of the instances',
      });
      i++;
    } else if (takes === undefined)
      c.report.add('warning', 'KS_CONF_SURPLUS', w, `'${w.text}' is not read in an address entry`);
    else {
      const message = `'${w.text}' has no meaning here: the data plane holds the address`;
      c.report.add('info', 'KS_CONF_NOT_ACTED_ON', w, message);
      i += takes;
    }
  }
  return dev;
};

/** `ADDRESS[/LENGTH] [dev IF] ...`, one entry a line. */
export const addressEntry = (c: Context, n: Node): AddressEntry | null => {
  if (n.block !== null) {
    c.report.add(
      'error',
      'KS_CONF_MISPLACED',
      n.keyword,
      `block '${n.keyword.text}' cannot stand among addresses`,
      { hint: 'a brace is missing before it' },
    );
    return null;
  }
  const prefix = prefixOf(c, n.keyword);
  const dev = addressDevice(c, n);
  return prefix === null ? null : { ...prefix, dev };
};

const addresses = <D>(part: (d: D) => VirtualAddress[]): Reader<D> =>
  block((c, nodes, d) => {
    const into = part(d);
    const seen = new Set(into.map((a) => a.address));
    for (const n of nodes) {
      const a = addressEntry(c, n);
      if (a === null) continue;
      const { address: host, prefixLength, dev } = a;
      if (seen.has(host))
        c.report.add('warning', 'KS_CONF_DUPLICATE', n.keyword, `${host} is there twice`);
      else
        into.push({
          address: host,
          prefixLength,
          dev: dev?.text ?? null,
          place: placeOf(n.keyword),
        });
      seen.add(host);
    }
  });

interface AuthDraft {
  type: 'PASS' | 'AH' | null;
  password: string | null;
}

const authTable: Table<AuthDraft> = table('authentication', {
  auth_type: oneOf(['PASS', 'AH'], (d, t) => {
    d.type = t;
  }),
  auth_pass: text('a password of at most 8 characters', (d, s, c, w) => {
    if (s.length > 8)
      c.report.add('warning', 'KS_CONF_PASSWORD', w, 'only the first 8 characters count');
    d.password = s.slice(0, 8);
  }),
});

const authentication = <D>(set: (d: D, a: Authentication) => void): Reader<D> =>
  block((c, nodes, d, n) => {
    const a: AuthDraft = { type: null, password: null };
    readBlock(c, nodes, authTable, a);
    if (a.type === null || a.password === null)
      c.report.add(
        'error',
        'KS_CONF_AUTH',
        n.keyword,
        `authentication has no ${a.type === null ? 'auth_type' : 'auth_pass'}`,
        { hint: 'adverts would go without a password; take the block out if that is meant' },
      );
    else set(d, { type: a.type === 'PASS' ? 'pass' : 'ah', password: a.password });
  });

/** A unicast peer; limits of the TTL of its adverts would not be checked. */
const unicastPeers: Reader<InstanceDraft> = block((c, nodes, d) => {
  for (const p of nodes) {
    const a = prefixOf(c, p.keyword);
    if (a !== null) d.peers.push(a.address);
    const limit = p.args[0];
    if (limit !== undefined && ['min_ttl', 'max_ttl'].includes(limit.text))
      c.report.add('error', 'KS_CONF_UNSUPPORTED', limit, `'${limit.text}' is not supported yet`, {
        hint: 'adverts of any TTL would be taken; take it out if that is meant',
      });
    else noMore(c, p, 0);
  }
});

/** An instance while it is read; what was not written is null. */
export interface InstanceDraft extends Draft<VrrpInstance> {
  readonly peers: string[];
  readonly held: VirtualAddress[];
  readonly excluded: VirtualAddress[];
  readonly garp: Draft<GarpConfig>;
  vridGiven: boolean;
  priorityGiven: boolean;
  stateGiven: boolean;
  versionGiven: boolean;
}

const state = oneOf<InstanceDraft, 'MASTER' | 'BACKUP'>(['MASTER', 'BACKUP'], (d, s) => {
  d.state = s;
  d.stateGiven = true;
});

export const instanceTable: Table<InstanceDraft> = table('vrrp_instance', {
  state: (c, n, d) => {
    const w = n.args[0];
    if (d.stateGiven && w !== undefined && w.text !== d.state)
      c.report.add('warning', 'KS_CONF_DUPLICATE', n.keyword, `state ${d.state} stays`);
    else state(c, n, d);
  },
  interface: interfaceName('an interface', (d, s) => {
    d.interface = s;
  }),
  dpdk_interface: text(
    'a device of dpvs.conf',
    (d, s) => {
      d.dpdkInterface = s;
    },
    /^\S+$/,
  ),
  virtual_router_id: integer(1, 255, (d, x) => {
    d.vrid = x;
    d.vridGiven = true;
  }),
  priority: integer(1, 255, (d, x) => {
    d.priority = x;
    d.priorityGiven = true;
  }),
  advert_int: seconds(0.01, 255, (d, ms) => {
    d.advertMs = ms;
  }),
  version: integer(2, 3, (d, x) => {
    d.version = x === 3 ? 3 : 2;
    d.versionGiven = true;
  }),
  authentication: authentication((d, a) => {
    d.authentication = a;
  }),
  virtual_ipaddress: addresses((d) => d.held),
  virtual_ipaddress_excluded: addresses((d) => d.excluded),
  unicast_peer: unicastPeers,
  unicast_ttl: integer(0, 255, (d, x) => {
    d.unicastTtl = x;
  }),
  check_unicast_src: boolean((d, b) => {
    d.checkUnicastSource = b;
  }),
  mcast_src_ip: address((d, a) => {
    d.sourceAddress = a;
  }),
  unicast_src_ip: address((d, a) => {
    d.sourceAddress = a;
  }),
  mcast_dst_ip: address((d, a) => {
    d.multicastGroup = a;
  }),
  nopreempt: flag((d) => {
    d.preempt = false;
  }),
  preempt: flag((d) => {
    d.preempt = true;
  }),
  preempt_delay: seconds(0, 1000, (d, ms) => {
    d.preemptDelayMs = ms;
  }),
  down_timer_adverts: integer(1, 100, (d, x) => {
    d.downTimerAdverts = x;
  }),
  lower_prio_no_advert: boolean((d, b) => {
    d.lowerPrioNoAdvert = b;
  }),
  higher_prio_send_advert: boolean((d, b) => {
    d.higherPrioSendAdvert = b;
  }),
  skip_check_adv_addr: boolean((d, b) => {
    d.skipCheckAdvertAddresses = b;
  }),
  v3_checksum_as_v2: boolean((d, b) => {
    d.v3ChecksumAsV2 = b;
  }),
  dont_track_primary: flag((d) => {
    d.dontTrackPrimary = true;
  }),
  track_quorum: boolean((d, b) => {
    d.trackQuorum = b;
  }),
  // the addresses answer, as they do here
  accept: flag(() => undefined),
  strict_mode: (c, n) => {
    const w = n.args[0];
    if (w !== undefined && ['off', 'false', 'no'].includes(w.text)) return;
    if (w !== undefined && !['on', 'true', 'yes'].includes(w.text))
      wrong(c, w, 'on, off, true, false, yes or no');
    else
      c.report.add(
        'error',
        'KS_CONF_UNSUPPORTED',
        n.keyword,
        "'strict_mode' is not supported yet",
        {
          hint: 'it forbids among others that the addresses answer, and they would',
        },
      );
  },
  ...garpReaders<InstanceDraft>('', (d) => d.garp),
});

export type InstanceDefaults = Pick<
  VrrpInstance,
  | 'lowerPrioNoAdvert'
  | 'higherPrioSendAdvert'
  | 'skipCheckAdvertAddresses'
  | 'checkUnicastSource'
  | 'downTimerAdverts'
  | 'v3ChecksumAsV2'
>;

const draft = (name: Word, defs: GlobalDefs, defaults: InstanceDefaults): InstanceDraft => {
  const held: VirtualAddress[] = [];
  const excluded: VirtualAddress[] = [];
  const peers: string[] = [];
  return {
    ...defaults,
    name: name.text,
    state: 'BACKUP',
    interface: '',
    dpdkInterface: null,
    vrid: 0,
    priority: 100,
    advertMs: 1000,
    version: defs.vrrpVersion,
    authentication: { type: 'none' },
    virtualAddresses: held,
    excludedAddresses: excluded,
    unicastPeers: peers,
    unicastTtl: 255,
    sourceAddress: null,
    multicastGroup: defs.vrrpMcastGroup4,
    preempt: true,
    preemptDelayMs: 0,
    garp: { ...defs.garp },
    dontTrackPrimary: false,
    trackQuorum: false,
    place: placeOf(name),
    held,
    excluded,
    peers,
    vridGiven: false,
    priorityGiven: false,
    stateGiven: false,
    versionGiven: false,
  };
};

export const vrrpInstance = (
  c: Context,
  n: Node,
  defs: GlobalDefs,
  defaults: InstanceDefaults,
): VrrpInstance | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'vrrp_instance needs a name and a block');
    return null;
  }
  noMore(c, n, 1);
  const d = draft(name, defs, defaults);
  readBlock(c, n.block, instanceTable, d);
  if (!d.priorityGiven && d.state === 'MASTER') d.priority = 255;
  // addresses of IPv6 are advertised by version 3 alone
  if (!d.versionGiven && d.held[0]?.address.includes(':') === true) d.version = 3;
  checkInstance(c, d, name, n.block);
  if (!d.vridGiven || d.interface === '') return null;
  const { held, excluded, peers, vridGiven, priorityGiven, stateGiven, versionGiven, ...plain } = d;
  return plain;
};

interface GroupDraft {
  readonly members: string[];
}

export const syncGroupTable: Table<GroupDraft> = table('vrrp_sync_group', {
  group: block((_c, nodes, d) => {
    for (const m of nodes) d.members.push(m.keyword.text, ...m.args.map((w) => w.text));
  }),
});

export const vrrpTables = [instanceTable, syncGroupTable, authTable];

export const vrrpSyncGroup = (c: Context, n: Node): VrrpSyncGroup | null => {
  const name = n.args[0];
  if (name === undefined || n.block === null) {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'vrrp_sync_group needs a name and a block');
    return null;
  }
  noMore(c, n, 1);
  const d: GroupDraft = { members: [] };
  readBlock(c, n.block, syncGroupTable, d);
  const members = [...new Set(d.members)];
  if (members.length < 2)
    c.report.add(
      'warning',
      'KS_CONF_SYNC_GROUP',
      name,
      `vrrp_sync_group ${name.text} has ${members.length} member${members.length === 1 ? '' : 's'}`,
    );
  return { name: name.text, members, place: placeOf(name) };
};
