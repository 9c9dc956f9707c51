/** ipvs_defs (dpvs.md 2): sizes, timeouts, and in which states a connection may begin anew. */
import { type Draft, inner, type Reader, type Table, table } from '../values.js';
import type { DpvsDraft } from './dpvs.js';
import { int, onOff } from './readers.js';
import type { ReuseState, Timeouts } from './types.js';

const tcpTimeouts: readonly (readonly [string, keyof Timeouts])[] = [
  ['none', 'tcpNone'],
  ['established', 'tcpEstablished'],
  ['syn_sent', 'tcpSynSent'],
  ['syn_recv', 'tcpSynRecv'],
  ['fin_wait', 'tcpFinWait'],
  ['time_wait', 'tcpTimeWait'],
  ['close', 'tcpClose'],
  ['close_wait', 'tcpCloseWait'],
  ['last_ack', 'tcpLastAck'],
  ['listen', 'tcpListen'],
  ['synack', 'tcpSynAck'],
  ['last', 'tcpLast'],
];
const udpTimeouts: readonly (readonly [string, keyof Timeouts])[] = [
  ['oneway', 'udpOneway'],
  ['normal', 'udpNormal'],
  ['last', 'udpLast'],
];

const longestTimeout = 31_535_999;

const timeouts = (names: typeof tcpTimeouts): Table<Draft<Timeouts>> =>
  table(
    'timeout',
    Object.fromEntries(
      names.map(([word, name]): [string, Reader<Draft<Timeouts>>] => [
        word,
        int(1, longestTimeout, (t, s) => {
          t[name] = s * 1000;
        }),
      ]),
    ),
  );

const tcpTimeoutTable = timeouts(tcpTimeouts);
const udpTimeoutTable = timeouts(udpTimeouts);

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
};

const reuseStates: readonly (readonly [string, ReuseState])[] = [
  ['close', 'CLOSE'],
  ['time_wait', 'TIME_WAIT'],
  ['fin_wait', 'FIN_WAIT'],
  ['close_wait', 'CLOSE_WAIT'],
  ['last_ack', 'LAST_ACK'],
];

const reuseTable: Table<DpvsDraft> = table(
  'conn_reuse_state',
  Object.fromEntries(
    reuseStates.map(([word, state]): [string, Reader<DpvsDraft>] => [
      word,
      onOff((d, b) => {
        const others = d.reuseStates.filter((s) => s !== state);
        d.reuseStates = b ? [...others, state] : others;
      }),
    ]),
  ),
);

const self = (d: DpvsDraft): DpvsDraft => d;

/** DPVS keeps these with the SYN proxy's items; they hold for every TCP service here. */
const synProxyTable: Table<DpvsDraft> = table('synproxy', {
  conn_reuse_state: inner(() => reuseTable, self),
});

const connTable: Table<DpvsDraft> = table('conn', {
  conn_pool_size: int(65_536, 67_108_864, (d, x) => {
    d.connPoolSize = x;
  }),
  conn_init_timeout: int(1, longestTimeout, (d, s) => {
    d.timeoutsMs.connInit = s * 1000;
  }),
  expire_quiescent_template: onOff((d, b) => {
    d.expireTemplate = b;
  }),
});

const udpTable: Table<DpvsDraft> = table('udp', {
  timeout: inner(
    () => udpTimeoutTable,
    (d) => d.timeoutsMs,
  ),
});

const tcpTable: Table<DpvsDraft> = table('tcp', {
  timeout: inner(
    () => tcpTimeoutTable,
    (d) => d.timeoutsMs,
  ),
  synproxy: inner(() => synProxyTable, self),
  reset_expired: onOff((d, b) => {
    d.resetExpired = b;
  }),
});

export const ipvsTable: Table<DpvsDraft> = table('ipvs_defs', {
  mh_table_size: int(251, 65_521, (d, x, c, w) => {
    if (isPrime(x)) d.maglevSize = x;
    else
      c.report.add('error', 'KS_CONF_VALUE', w, 'a Maglev table has a prime number of rows', {
        found: `${x}`,
        expected: '4093, 16381, 65521 ...',
      });
  }),
  conn: inner(() => connTable, self),
  udp: inner(() => udpTable, self),
  tcp: inner(() => tcpTable, self),
});

export const ipvsTables = [
  ipvsTable,
  connTable,
  udpTable,
  tcpTable,
  tcpTimeoutTable,
  udpTimeoutTable,
  synProxyTable,
  reuseTable,
];
