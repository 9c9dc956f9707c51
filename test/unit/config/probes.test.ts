/** What keepalived 2.2.7 complains of (`keepalived -t`, seen by running it), held against what Keelson complains of. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { alone, said } from './source.js';

interface Probe {
  readonly name: string;
  readonly complains: boolean;
  readonly text: string;
}

const file = fileURLToPath(
  new URL('../../../../test/vectors/config/keepalived-2.2.7.json', import.meta.url),
);
const probes: readonly Probe[] = JSON.parse(readFileSync(file, 'utf8'));

/** Only Keelson complains, and why it should. */
const onlyKeelson: Readonly<Record<string, readonly string[]>> = {
  'a word that only informs, and is without effect here': [
    'head-lvs-sync-daemon',
    'head-notify-fifo',
    'head-smtp-hostname',
    'vrrp-notify-missing',
    'vrrp-vmac',
  ],
  'refused because it decides or limits, and is not acted on yet': [
    'chk-tcp-opts',
    'static-ip',
    'vrrp-script-dup-name',
    'vrrp-script-ok',
    'vrrp-strict-master-100',
    'vrrp-strict-unicast',
    'vrrp-track-if-weight',
    'vrrp-unicast-ok',
    'vrrp-virtual-routes',
    'vrrp-virtual-rules',
  ],
  'keepalived changes the meaning without a word': [
    'lex-hash-glued-to-value',
    'lex-bang-glued-to-value',
    'lex-nul-byte',
    'lex-keyword-extra-param',
    'vrrp-vip-dup',
    'lvs-weight-65536',
    'chk-http-regex',
    'vrrp-ipv6-v2',
  ],
  'nobody would be served, or another than is meant': [
    'lvs-dup-vs',
    'lvs-group-missing',
    'lvs-tun-af-mix',
  ],
  'not supported, or not yet': [
    'vrrp-auth-ah',
    'vrrp-ipv6-first-not-ll',
    'seqx',
    'chk-misc-ok',
    'chk-misc-missing',
    'chk-smtp',
    'chk-smtp-host',
    'chk-dns',
    'chk-ping',
    'chk-bfd',
    'chk-file',
  ],
};

/** Only keepalived complains, and why Keelson does not, or not from this file alone. */
const onlyKeepalived: Readonly<Record<string, readonly string[]>> = {
  'lines have no greatest length': ['lex-long-line-1100-comment', 'lex-long-line-1100-value'],
  'whether an interface exists is seen when it is used': ['vrrp-unknown-interface'],
  'DPVS has it, stock keepalived has not': ['lvs-conhash'],
  'checked where it is used, or not yet': ['num-garp-interval-0', 'chk-http-nb_get_retry'],
  'sensible, and said on purpose': ['lvs-weight-0'],
};

const names = (table: Readonly<Record<string, readonly string[]>>): readonly string[] =>
  Object.values(table).flat();

test('what keepalived 2.2.7 complains of, Keelson complains of, but for a named few', (t) => {
  const keelson = probes.filter((p) => said(alone(p.text)).length > 0).map((p) => p.name);
  const keepalived = probes.filter((p) => p.complains).map((p) => p.name);
  const differ = (a: readonly string[], b: readonly string[]): readonly string[] =>
    a.filter((n) => !b.includes(n)).sort();
  t.is(probes.length, 269);
  t.deepEqual(differ(keelson, keepalived), [...names(onlyKeelson)].sort());
  t.deepEqual(differ(keepalived, keelson), [...names(onlyKeepalived)].sort());
});
