import test from 'ava';
import * as codec from '../../../src/dataplane/codec.js';
import { nameLength, shmHead, shmMagic, shmRs } from '../../../src/dataplane/counters.js';
import { paramDefaults } from '../../../src/dataplane/diff.js';
import { svcKey } from '../../../src/dataplane/fields.js';
import * as ops from '../../../src/dataplane/ops.js';
import { paramNames } from '../../../src/dataplane/snapshot.js';
import type { Codec } from '../../../src/net/codec.js';
import { compileAndRun } from '../../support/dataplane/cc.js';

/*
 * The TypeScript tables against the header as a C compiler sees it: a small program prints the size of each structure, place and size of each
 * field, and every number that has a name.
 */

interface Table {
  readonly cName: string;
  readonly size: number;
  readonly fields: Readonly<Record<string, Codec<never>>>;
}

const tables = [
  codec.header,
  codec.hello,
  codec.helloAck,
  codec.begin,
  codec.commit,
  codec.ack,
  codec.lease,
  codec.leaseAddress,
  codec.leaseAck,
  codec.leaseState,
  codec.garp,
  codec.shutdown,
  codec.sessions,
  codec.sessionsAck,
  codec.sessionRow,
  codec.list,
  codec.listAck,
  codec.listRow,
  codec.event,
  svcKey,
  ops.opHead,
  ops.opAddr,
  ops.opRoute,
  ops.opNeigh,
  ops.opSvc,
  ops.opRs,
  ops.opLip,
  ops.opMatch,
  ops.opParam,
  shmHead,
  shmRs,
] as unknown as readonly Table[];

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

const places = ({ cName, size, fields }: Table): readonly string[] => {
  let at = 0;
  const lines = [`${cName} ${size}`];
  for (const [name, field] of Object.entries(fields)) {
    lines.push(`${cName}.${snake(name)} ${at} ${field.size}`);
    at += field.size;
  }
  return lines;
};

const upper = (name: string): string => snake(name).toUpperCase();

/** C name -> our number. */
const numbers: Readonly<Record<string, number | bigint>> = {
  KS_IPC_MAGIC: codec.ipcMagic,
  KS_IPC_VERSION: codec.ipcVersion,
  KS_IPC_MAX_MSG: codec.maxMessage,
  KS_IPC_ENDIAN: codec.ipcEndian,
  KS_LEASE_QUERY: codec.leaseQuery,
  KS_REASON_LEN: codec.reasonLength,
  KS_NAME_LEN: nameLength,
  KS_SHM_MAGIC: shmMagic,
  KS_ADDR_LEASED: ops.addressLeased,
  KS_ADDR_LIP: ops.addressLocal,
  KS_SVC_EXPIRE_QUIESCENT: ops.expireQuiescent,
  KS_SVC_SCHED_PORT: ops.schedulerPort,
  KS_SVC_ONE_PACKET: ops.onePacket,
  KS_SVC_QUIC: ops.quic,
  KS_RS_TUN_GRE: ops.tunnelGre,
  KS_RS_TUN_GUE: ops.tunnelGue,
  KS_RS_TUN_CSUM: ops.tunnelChecksum,
  KS_SVC_EXPIRE_TEMPLATE: ops.expireTemplate,
  IPPROTO_TCP: ops.protocols.TCP,
  IPPROTO_UDP: ops.protocols.UDP,
  IPPROTO_SCTP: ops.protocols.SCTP,
  IPPROTO_ICMP: ops.protocols.ICMP,
  IPPROTO_ICMPV6: ops.protocols.ICMPV6,
  KS_OP_ADDR_SET: ops.opCode.addressSet,
  KS_OP_ADDR_DEL: ops.opCode.addressDel,
  KS_OP_ROUTE_SET: ops.opCode.routeSet,
  KS_OP_ROUTE_DEL: ops.opCode.routeDel,
  KS_OP_NEIGH_SET: ops.opCode.neighbourSet,
  KS_OP_NEIGH_DEL: ops.opCode.neighbourDel,
  KS_LIST_ADDRS: codec.listKind.addresses,
  KS_LIST_ROUTES: codec.listKind.routes,
  KS_LIST_NEIGHS: codec.listKind.neighbours,
  KS_LIST_OP: codec.listFlags.op,
  KS_LIST_KERNEL: codec.listFlags.kernel,
  KS_LIST_CONNECTED: codec.listFlags.connected,
  KS_LIST_LEASED: codec.listFlags.leased,
  KS_LIST_LIP: codec.listFlags.local,
  KS_LIST_STATIC: codec.listFlags.static,
  KS_LIST_HELD: codec.listFlags.held,
  KS_NS_COUNT: codec.neighbourStates.length,
  KS_NS_REACHABLE: codec.neighbourStates.indexOf('REACHABLE'),
  KS_NS_STATIC: codec.neighbourStates.indexOf('STATIC'),
  KS_OP_SVC_SET: ops.opCode.serviceSet,
  KS_OP_SVC_DEL: ops.opCode.serviceDel,
  KS_OP_RS_SET: ops.opCode.realServerSet,
  KS_OP_RS_DEL: ops.opCode.realServerDel,
  KS_OP_LIP_SET: ops.opCode.localSet,
  KS_OP_LIP_DEL: ops.opCode.localDel,
  KS_OP_PARAM_SET: ops.opCode.paramSet,
  KS_OP_MATCH_SET: ops.opCode.matchSet,
  KS_OK: codec.status.ok,
  KS_E_MALFORMED: codec.status.malformed,
  KS_E_BUSY: codec.status.busy,
  KS_E_BASE: codec.status.base,
  KS_E_INVALID: codec.status.invalid,
  KS_E_NO_MEMORY: codec.statusNames.indexOf('no memory'),
  KS_E_NOT_FOUND: codec.status.notFound,
  KS_E_STATE: codec.status.state,
  KS_E_UNSUPPORTED: codec.statusNames.indexOf('unsupported'),
  KS_PARAM_TCP_SYNACK: paramNames.indexOf('tcpSynAck'),
  KS_PARAM_SCTP_INIT1: paramNames.indexOf('sctpInit1'),
  KS_PARAM_LPORT_MIN: paramNames.indexOf('localPortMin'),
  KS_PARAM_LPORT_MAX: paramNames.indexOf('localPortMax'),
  KS_PARAM_NEIGH_TIMEOUT: paramNames.indexOf('neighbourTimeout'),
  KS_PARAM_MAGLEV_SIZE: paramNames.indexOf('maglevSize'),
  KS_PARAM_COUNT: paramNames.length,
  KS_ST_COUNT: codec.stateNames.length,
  KS_ST_ESTABLISHED: codec.stateNames.indexOf('TCP_EST'),
  KS_ST_UDP_NORMAL: codec.stateNames.indexOf('UDP_NORM'),
  ...Object.fromEntries(
    Object.entries(codec.messageType).map(([name, n]) => [`KS_MSG_${upper(name)}`, n]),
  ),
  ...Object.fromEntries(ops.schedulers.map((s, i) => [`KS_SCHED_${s.toUpperCase()}`, i + 1])),
  ...Object.fromEntries(ops.forwardings.map((f, i) => [`KS_FWD_${f}`, i + 1])),
  ...Object.fromEntries(
    paramNames
      .map((name, i) => [name, i] as const)
      .filter(([name]) => !/^(tcpSynAck|localPort|neighbour|sctpInit1)/.test(name))
      .map(([name, i]) => [`KS_PARAM_${upper(name)}`, i]),
  ),
  ...Object.fromEntries(
    Object.entries(codec.eventNames).map(([n, name]) => [eventConstant(name), Number(n)]),
  ),
};

function eventConstant(name: string): string {
  const constants: Readonly<Record<string, string>> = {
    link: 'KS_EV_LINK',
    'lease expired': 'KS_EV_LEASE_EXPIRED',
    'address conflict': 'KS_EV_ADDR_CONFLICT',
    'local ports exhausted': 'KS_EV_LPORT_EXHAUSTED',
    'session table full': 'KS_EV_TABLE_FULL',
    stopping: 'KS_EV_STOPPING',
    log: 'KS_EV_LOG',
    'address not held': 'KS_EV_ADDR_BY_HAND',
  };
  return constants[name] ?? `no constant for ${name}`;
}

const print = (header: string, body: readonly string[], sources: readonly string[]) =>
  compileAndRun(
    [
      ...['<netinet/in.h>', '<stddef.h>', '<stdio.h>', header].map((h) => `#include ${h}`),
      ...['int main(void) {', ...body, 'return 0; }'],
    ].join('\n'),
    sources,
  )
    .toString()
    .trim()
    .split('\n');

test('each structure has the size, and each field the place, that the C compiler gives it', (t) => {
  const body = tables.flatMap(({ cName, fields }) => {
    const s = `struct ${cName}`;
    const one = (f: string): string =>
      `printf("${cName}.${f} %zu %zu\\n", offsetof(${s}, ${f}), sizeof(((${s} *)0)->${f}));`;
    return [
      `printf("${cName} %zu\\n", sizeof(${s}));`,
      ...Object.keys(fields).map((name) => one(snake(name))),
    ];
  });
  t.deepEqual(tables.flatMap(places), print('"ks_ipc.h"', body, []));
});

test('each number is that of the header', (t) => {
  const names = Object.keys(numbers);
  const body = names.map((n) => `printf("%llu\\n", (unsigned long long)${n});`);
  const theirs = print('"ks_ipc.h"', body, []);
  t.deepEqual(
    names.map((n) => `${n} ${numbers[n]}`),
    names.map((n, i) => `${n} ${theirs[i]}`),
  );
});

test("the defaults of parameters are the data plane's", (t) => {
  // The table alone: what else the file refers to is never called.
  const body = paramNames.map((_, i) => `printf("%u\\n", ks_param_default[${i}]);`);
  const theirs = print('"ks_desired.h"', body, ['native/core/ks_desired.c']);
  t.deepEqual(
    paramNames.map((n) => String(paramDefaults[n])),
    theirs,
  );
});
