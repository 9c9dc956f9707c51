import { block, type Context, type Readers, readBlock } from '../values.js';
import { type Draft, inert, int, onOff } from './readers.js';
import type { DpvsConfig, ReuseState, Timeouts } from './types.js';

const timeoutNames: Readonly<Record<'tcp' | 'udp', Readonly<Record<string, keyof Timeouts>>>> = {
  tcp: {
    none: 'tcpNone',
    established: 'tcpEstablished',
    syn_sent: 'tcpSynSent',
    syn_recv: 'tcpSynRecv',
    fin_wait: 'tcpFinWait',
    time_wait: 'tcpTimeWait',
    close: 'tcpClose',
    close_wait: 'tcpCloseWait',
    last_ack: 'tcpLastAck',
    listen: 'tcpListen',
    synack: 'tcpSynAck',
    last: 'tcpLast',
  },
  udp: { oneway: 'udpOneway', normal: 'udpNormal', last: 'udpLast' },
};

const timeouts = (c: Context, kind: 'tcp' | 'udp', into: Draft<Timeouts>) =>
  block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      Object.fromEntries(
        Object.entries(timeoutNames[kind]).map(([word, name]) => [
          word,
          int(c, 1, 31_535_999, (s) => {
            into[name] = s * 1000;
          }),
        ]),
      ),
      'timeout',
    ),
  );

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
};

const reuseStates: Readonly<Record<string, ReuseState>> = {
  close: 'CLOSE',
  time_wait: 'TIME_WAIT',
  fin_wait: 'FIN_WAIT',
  close_wait: 'CLOSE_WAIT',
  last_ack: 'LAST_ACK',
};

/** DPVS keeps the states of connection reuse with the SYN proxy's items; they hold for every TCP service here. */
const synProxy = (c: Context, d: Draft<DpvsConfig>) =>
  block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        conn_reuse_state: block(c, (states) =>
          readBlock(
            c,
            states,
            Object.fromEntries(
              Object.entries(reuseStates).map(([word, state]) => [
                word,
                onOff(c, (b) => {
                  const others = d.reuseStates.filter((s) => s !== state);
                  d.reuseStates = b ? [...others, state] : others;
                }),
              ]),
            ),
            'conn_reuse_state',
          ),
        ),
        ...inert(c, [
          'synack_options',
          'close_client_window',
          'defer_rs_syn',
          'rs_syn_max_retry',
          'ack_storm_thresh',
          'max_ack_saved',
        ]),
      },
      'synproxy',
    ),
  );

export const ipvsDefs = (c: Context, d: Draft<DpvsConfig>, t: Draft<Timeouts>): Readers => ({
  mh_table_size: int(c, 251, 65_521, (x, w) => {
    if (isPrime(x)) d.maglevSize = x;
    else
      c.report.add('error', 'KS_CONF_VALUE', w, 'a Maglev table has a prime number of rows', {
        found: `${x}`,
        expected: '4093, 16381, 65521 ...',
      });
  }),
  conn: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        conn_pool_size: int(c, 65_536, 67_108_864, (x) => {
          d.connPoolSize = x;
        }),
        conn_init_timeout: int(c, 1, 31_535_999, (s) => {
          t.connInit = s * 1000;
        }),
        expire_quiescent_template: onOff(c, (b) => {
          d.expireTemplate = b;
        }),
        ...inert(c, ['conn_pool_cache', 'fast_xmit_close', 'xmit_ttl', 'redirect']),
      },
      'conn',
    ),
  ),
  udp: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        timeout: timeouts(c, 'udp', t),
        ...inert(c, ['defence_udp_drop', 'uoa_mode', 'uoa_max_trail']),
      },
      'udp',
    ),
  ),
  tcp: block(c, (nodes) =>
    readBlock(
      c,
      nodes,
      {
        timeout: timeouts(c, 'tcp', t),
        synproxy: synProxy(c, d),
        reset_expired: onOff(c, (b) => {
          d.resetExpired = b;
        }),
        ...inert(c, ['defence_tcp_drop']),
      },
      'tcp',
    ),
  ),
});
