/** The operations of a generation on the wire: each structure of native/ipc/ks_ipc.h with the same fields in the same order. */
import { type Codec, u8, viewOf } from '../net/codec.js';
import type { Op, ServiceHead, ServiceId } from './diff.js';
import {
  address,
  afOf,
  be16,
  le16,
  le32,
  macAddress,
  reserved,
  svcKey,
  text,
  wireStruct,
} from './fields.js';
import { type Forwarding, paramNames, type Scheduler, type Tunnel } from './snapshot.js';

/** By `enum ks_sched` less 1. */
export const schedulers: readonly Scheduler[] = [
  'rr',
  'wrr',
  'wlc',
  'lc',
  'sed',
  'nq',
  'sh',
  'dh',
  'fo',
  'ovf',
  'conhash',
  'mh',
];
/** By `enum ks_fwd` less 1. */
export const forwardings: readonly Forwarding[] = ['FNAT', 'NAT', 'DR', 'TUN', 'SNAT'];
export const protocols = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPV6: 58 } as const;
/** By `enum ks_match_end`. */
const matchEnds = ['source', 'destination'] as const;
export const addressLeased = 1;
export const addressLocal = 2;
export const expireQuiescent = 1;
export const onePacket = 4;
export const quic = 8;
export const tunnelGre = 1;
export const tunnelGue = 2;
export const tunnelChecksum = 4;
export const schedulerPort = 0x10;
export const expireTemplate = 0x40;

export const opHead = wireStruct('ks_op', { type: le16, len: le16 });
export const opAddr = wireStruct('ks_op_addr', {
  op: opHead,
  dev: text(16),
  af: u8,
  plen: u8,
  flags: le16,
  addr: address(),
});
export const opRoute = wireStruct('ks_op_route', {
  op: opHead,
  dev: text(16),
  af: u8,
  plen: u8,
  weight: le16,
  mtu: le32,
  metric: le32,
  dst: address(12),
  gw: address(28),
  src: address(44),
});
export const opNeigh = wireStruct('ks_op_neigh', {
  op: opHead,
  dev: text(16),
  af: u8,
  reserved: reserved(1),
  mac: macAddress,
  addr: address(8),
});
export const opSvc = wireStruct('ks_op_svc', {
  op: opHead,
  key: svcKey,
  sched: u8,
  reserved: reserved(3),
  flags: le32,
  estTimeoutMs: le32,
  persistMs: le32,
  persistPlen: u8,
  quicConfig: u8,
  quicLen: u8,
  reserved2: reserved(1),
});
export const opRs = wireStruct('ks_op_rs', {
  op: opHead,
  svc: svcKey,
  af: u8,
  fwd: u8,
  port: be16,
  addr: address(),
  weight: le32,
  flags: le32,
  upper: le32,
  lower: le32,
});
export const opLip = wireStruct('ks_op_lip', {
  op: opHead,
  svc: svcKey,
  dev: text(16),
  af: u8,
  reserved: reserved(3),
  addr: address(),
});
export const opParam = wireStruct('ks_op_param', {
  op: opHead,
  param: le32,
  value: le32,
  reserved: reserved(4),
});

export const opMatch = wireStruct('ks_op_match', {
  op: opHead,
  svc: svcKey,
  end: u8,
  reserved: reserved(3),
  order: le32,
  firstPort: be16,
  lastPort: be16,
  dev: text(16),
  first: address(48),
  last: address(64),
});

/** `enum ks_op_type` */
export const opCode = {
  addressSet: 1,
  addressDel: 2,
  routeSet: 3,
  routeDel: 4,
  neighbourSet: 5,
  neighbourDel: 6,
  serviceSet: 7,
  serviceDel: 8,
  realServerSet: 9,
  realServerDel: 10,
  localSet: 11,
  localDel: 12,
  paramSet: 13,
  matchSet: 14,
} as const satisfies Record<Op['type'], number>;

const key = (s: ServiceId) => ({
  af: afOf(s.address),
  proto: protocols[s.protocol],
  port: s.port,
  addr: s.address,
});

const opOf = (type: Op['type'], size: number) => ({ type: opCode[type], len: size });

/** A structure with its values, to be written where there is room for it: 100,000 buffers of their own would be slow. */
export interface Writing {
  readonly size: number;
  readonly write: (view: DataView, at: number) => void;
}

const writing = <T>(codec: Codec<T>, value: T): Writing => ({
  size: codec.size,
  write: (view, at) => codec.write(view, at, value),
});

const matchWriting = (op: Extract<Op, { type: 'matchSet' }>): Writing => {
  const { first, last, firstPort, lastPort, device } = op.match;
  const any = afOf(op.service.address) === 6 ? '::' : '0.0.0.0';
  return writing(opMatch, {
    op: opOf(op.type, opMatch.size),
    svc: key(op.service),
    end: matchEnds.indexOf(op.end),
    reserved: null,
    order: op.order,
    firstPort,
    lastPort,
    dev: device ?? '',
    first: first ?? any,
    last: last ?? any,
  });
};

const serviceFlags = (s: ServiceHead): number =>
  (s.expireQuiescent ? expireQuiescent : 0) |
  (s.onePacket ? onePacket : 0) |
  (s.quic === null ? 0 : quic) |
  (s.schedulerPort ? schedulerPort : 0) |
  (s.expireTemplate ? expireTemplate : 0);

/** `KS_RS_TUN_*` */
const tunnelFlags = (t: Tunnel | undefined): number => {
  if (t === undefined) return 0;
  const kind = t.type === 'gre' ? tunnelGre : tunnelGue + t.port * 0x10000;
  return kind + (t.checksum ? tunnelChecksum : 0);
};

const quicFields = (q: ServiceHead['quic']) =>
  q === null || q === 'dpvs'
    ? { quicConfig: 0, quicLen: 0 }
    : { quicConfig: q.configId + 1, quicLen: q.serverIdLength };

const routeWriting = (op: Extract<Op, { readonly route: unknown }>): Writing => {
  const r = op.route;
  const af = afOf(r.destination);
  const unset = af === 4 ? '0.0.0.0' : '::';
  return writing(opRoute, {
    op: opOf(op.type, opRoute.size),
    dev: r.device,
    af,
    plen: r.prefixLength,
    weight: 0,
    mtu: r.mtu,
    metric: r.metric,
    dst: r.destination,
    gw: r.gateway ?? unset,
    src: r.source ?? unset,
  });
};

const neighbourWriting = (op: Extract<Op, { readonly neighbour: unknown }>): Writing => {
  const n = op.neighbour;
  return writing(opNeigh, {
    op: opOf(op.type, opNeigh.size),
    dev: n.device,
    af: afOf(n.address),
    reserved: null,
    mac: n.mac,
    addr: n.address,
  });
};

export const writingOf = (op: Op): Writing => {
  switch (op.type) {
    case 'addressSet':
    case 'addressDel': {
      const a = op.address;
      const flags = (a.leased ? addressLeased : 0) | (a.local ? addressLocal : 0);
      return writing(opAddr, {
        op: opOf(op.type, opAddr.size),
        dev: a.device,
        af: afOf(a.address),
        plen: a.prefixLength,
        flags,
        addr: a.address,
      });
    }
    case 'routeSet':
    case 'routeDel':
      return routeWriting(op);
    case 'neighbourSet':
    case 'neighbourDel':
      return neighbourWriting(op);
    case 'serviceSet': {
      const s = op.service;
      return writing(opSvc, {
        op: opOf(op.type, opSvc.size),
        key: key(s),
        sched: schedulers.indexOf(s.scheduler) + 1,
        reserved: null,
        flags: serviceFlags(s),
        estTimeoutMs: s.establishedTimeoutMs,
        persistMs: s.persistenceMs,
        persistPlen: s.persistenceMs > 0 ? s.persistencePrefixLength : 0,
        ...quicFields(s.quic),
        reserved2: null,
      });
    }
    case 'serviceDel':
      return writing(opSvc, {
        op: opOf(op.type, opSvc.size),
        key: key(op.service),
        sched: 0,
        reserved: null,
        flags: 0,
        estTimeoutMs: 0,
        persistMs: 0,
        persistPlen: 0,
        ...quicFields(null),
        reserved2: null,
      });
    case 'realServerSet':
    case 'realServerDel': {
      const r = op.realServer;
      return writing(opRs, {
        op: opOf(op.type, opRs.size),
        svc: key(op.service),
        af: afOf(r.address),
        fwd: forwardings.indexOf(r.forwarding) + 1,
        port: r.port,
        addr: r.address,
        weight: r.weight,
        flags: tunnelFlags(r.tunnel),
        upper: r.upperThreshold ?? 0,
        lower: r.lowerThreshold ?? 0,
      });
    }
    case 'localSet':
    case 'localDel':
      return writing(opLip, {
        op: opOf(op.type, opLip.size),
        svc: key(op.service),
        dev: op.local.device,
        af: afOf(op.local.address),
        reserved: null,
        addr: op.local.address,
      });
    case 'matchSet':
      return matchWriting(op);
    case 'paramSet':
      return writing(opParam, {
        op: opOf(op.type, opParam.size),
        param: paramNames.indexOf(op.param),
        value: op.value,
        reserved: null,
      });
  }
};

export const encodeOp = (op: Op): Uint8Array => {
  const w = writingOf(op);
  const out = new Uint8Array(w.size);
  w.write(viewOf(out), 0);
  return out;
};
