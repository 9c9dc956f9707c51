/** Small files that people stumbled over with keepalived, and what is right for each. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { KeepalivedConfig } from '../../../src/config/keepalived/types.js';
import { loadConfig } from '../../../src/config/load.js';
import { textSource } from '../../../src/config/text-source.js';
import { alone, dpvsText, said } from './source.js';

const textOf = (name: string): string =>
  readFileSync(
    fileURLToPath(new URL(`../../../../test/vectors/config/cases/${name}.conf`, import.meta.url)),
    'utf8',
  );

const messages = (name: string) => said(alone(textOf(name)));
const errors = (name: string) => messages(name).filter((s) => s.includes(' error '));

/** The value of a file, with devices that its interfaces can be. */
const configOf = (name: string): KeepalivedConfig | undefined => {
  const texts = new Map([
    ['k', textOf(name)],
    ['d', dpvsText],
  ]);
  const paths = { keepalivedPath: 'k', dpvsPath: 'd', hostName: 'lb1' };
  return loadConfig(textSource(texts), paths).config?.keepalived;
};

test('01: one VRID for IPv4 and for IPv6 is allowed; IPv6 addresses make version 3', (t) => {
  // VRRP over IPv6 itself is not there yet; that one VRID counts for each family is.
  t.deepEqual(messages('01-vrid-two-families'), [
    '15:5 error fe80::60:1: VRRP over IPv6 is not supported yet',
  ]);
});

test('02: one VRID apart by group or peers is refused by its own name', (t) => {
  const list = errors('02-vrid-two-groups');
  t.is(list.length, 2);
  for (const e of list) t.regex(e, /apart by group or peers alone, which is not supported yet/);
});

test('03: a definition in a comment is not used', (t) => {
  const k = configOf('03-definition-in-a-comment');
  t.deepEqual(
    k?.vrrpInstances.map((i) => [i.name, i.priority, i.virtualAddresses[0]?.address]),
    [['main', 120, '10.60.0.1']],
  );
});

test('04: definitions inside definitions are substituted line by line', (t) => {
  const v = configOf('04-definition-inside-definition')?.virtualServers[0];
  t.deepEqual(
    v?.realServers.map((r) => [r.address, r.port, r.weight, r.checkers[0]?.kind]),
    [
      ['10.61.0.11', 8080, 3, 'TCP_CHECK'],
      ['10.61.0.12', 8080, 9, 'TCP_CHECK'],
    ],
  );
});

test('05: ends of a sequence may be definitions', (t) => {
  const list = configOf('05-sequence-inside-definition')?.virtualServers;
  t.deepEqual(
    list?.map((v) => v.realServers.map((r) => r.address.slice(8))),
    [
      ['21', '22', '23'],
      ['31', '32'],
    ],
  );
});

test('06: comments inside a definition of several lines', (t) => {
  const i = configOf('06-comments-inside-definition')?.vrrpInstances[0];
  t.deepEqual(
    i?.virtualAddresses.map((a) => a.address),
    ['10.60.0.1', '10.60.0.2', '10.60.0.4'],
  );
});

test('07: ${_HASH} begins a comment where it is substituted', (t) => {
  const i = configOf('07-hash-comments-out')?.vrrpInstances[0];
  t.is(i?.preempt, true);
  t.is(i?.garp.masterDelayMs, 3000);
  t.deepEqual(
    i?.virtualAddresses.map((a) => a.address),
    ['10.60.0.1'],
  );
});

test('08: ${_RANDOM} is between its ends, and the same at each reload', (t) => {
  const priority = () => configOf('08-random')?.vrrpInstances[0]?.priority ?? 0;
  t.true(priority() >= 110 && priority() <= 119);
  t.is(priority(), priority());
});

test('09: ranges of IPv6 in the last group; a host with its prefix length', (t) => {
  const k = configOf('09-group-ranges');
  t.deepEqual(
    k?.virtualServerGroups[0]?.entries.map((e) => `${e.address} ${e.port}`),
    [0, 1, 2, 3].map((n) => `2001:db8:60::1${n} 443`),
  );
  t.like(k?.virtualServers[1]?.target, { address: '10.60.0.1', port: 80 });
});

test('10: weight and inhibit_on_failure of the virtual server; another lvs_method is refused', (t) => {
  t.deepEqual(errors('10-real-server-overrides'), [
    '9:16 error a real server with a forwarding of its own is not supported yet',
  ]);
  const text = textOf('10-real-server-overrides').replace('lvs_method DR', 'lvs_method NAT');
  const texts = new Map([
    ['k', text],
    ['d', dpvsText],
  ]);
  const { config } = loadConfig(textSource(texts), {
    keepalivedPath: 'k',
    dpvsPath: 'd',
    hostName: 'lb1',
  });
  t.deepEqual(
    config?.keepalived.virtualServers[0]?.realServers.map((r) => [r.weight, r.inhibitOnFailure]),
    [
      [5, false],
      [2, true],
    ],
  );
});

test('11: the lower-priority burst takes the global master’s', (t) => {
  const garp = configOf('11-garp-defaults')?.vrrpInstances.map(({ garp: g }) => [
    g.masterDelayMs,
    g.masterRepeat,
    g.lowerPrioDelayMs,
    g.lowerPrioRepeat,
  ]);
  t.deepEqual(garp, [
    [9000, 7, 2000, 3],
    [2000, 3, 2000, 1],
  ]);
});

test('12: vrrp_strict is refused, because it forbids what would be done', (t) => {
  t.deepEqual(errors('12-strict-and-min-garp'), ["3:3 error 'vrrp_strict' is not supported yet"]);
});

test('13: a route with a word that is not supported is no route, with one error', (t) => {
  t.deepEqual(errors('13-route-words'), [
    "3:35 error 'table' is not supported in a route",
    "4:16 error 'nexthop' is not supported in a route",
    "6:13 error '10.64.0.0/16' is not supported in a route",
  ]);
});

test('14: a pattern is read as a script’s value', (t) => {
  const c = configOf('14-pattern-dialect')?.virtualServers[0]?.realServers[0]?.checkers[0];
  t.deepEqual(c?.kind === 'HTTP_GET' ? c.urls.map((u) => u.regex) : [], [
    '(?i)status: ok',
    '\\AStatus: OK [[:digit:]]+\\z',
    'OK \\d+',
    '(?:"OK"|OK) 17',
  ]);
});

test('15: words in a wrong block are errors that name the right one', (t) => {
  const r = alone(textOf('15-misplaced-block'));
  t.deepEqual(said(r), [
    "6:3 error 'delay_loop' does not belong in 'vrrp_instance'",
    "10:3 error 'virtual_server' does not belong in 'vrrp_instance'",
  ]);
  const hints = r.diagnostics.map((d) => d.hint ?? '').join('\n');
  t.regex(hints, /belongs in 'virtual_server', 'real_server'/);
  t.regex(hints, /belongs in the top level; is a brace missing/);
});

test('16: a misspelt check or block of addresses is an error with the right spelling', (t) => {
  const r = alone(textOf('16-misspelt-check'));
  t.deepEqual(
    r.diagnostics.filter((d) => d.severity === 'error').map((d) => [d.place.line, d.hint]),
    [
      [6, "did you mean 'virtual_ipaddress'?"],
      [15, "did you mean 'TCP_CHECK'?"],
    ],
  );
});

test('17: a missing brace is one error, at the block that lacks it', (t) => {
  const r = alone(textOf('17-missing-brace'));
  t.deepEqual(errors('17-missing-brace'), ["6:3 error block 'real_server' is not closed"]);
  t.regex(r.diagnostics.map((d) => d.hint).join('\n'), /noticed at k:9/);
});

test('18: values keepalived takes are at most warned of', (t) => {
  t.deepEqual(errors('18-wide-limits'), []);
  t.like(configOf('18-wide-limits')?.staticAddresses[0], { dev: 'eth0' });
});
