/** No word fails open: each known one is acted on, refused, or said to be without effect. */
import test from 'ava';
import { dpvsLanguage } from '../../../src/config/dpvs/dpvs.js';
import { language } from '../../../src/config/keepalived/keepalived.js';
import { alone, dpvsAlone, instance, load, said, service, warned } from './source.js';

const server = (body: string) => service('', ` real_server 10.1.0.11 80 {\n${body}\n }`);
const check = (body: string) => server(` TCP_CHECK {\n${body}\n }`);

/** A text in which a word stands in a block. */
const within: Readonly<Record<string, (w: string) => string>> = {
  '': (w) => `${w} x {\n}\n`,
  global_defs: (w) => `global_defs {\n ${w} 1\n}\n`,
  vrrp_instance: (w) => instance(` ${w} 1`),
  vrrp_sync_group: (w) => `vrrp_sync_group g {\n group {\n a\n b\n }\n ${w} 1\n}\n`,
  virtual_server: (w) => service(` ${w} 1`),
  real_server: (w) => server(` ${w} 1`),
  TCP_CHECK: (w) => check(` ${w} 1`),
};

test('every refused word is an error, every informing one a warning, in every block', (t) => {
  let seen = 0;
  for (const [block, text] of Object.entries(within))
    for (const word of language.words(block)) {
      const known = language.known(block, word);
      if (known === undefined) continue;
      seen++;
      const list = alone(text(word)).diagnostics.filter((d) => d.message.startsWith(`'${word}'`));
      const wanted = { refused: 'error', informs: 'warning', inert: 'info' }[known.status];
      t.deepEqual(
        list.map((d) => d.severity),
        [wanted],
        `${word} in '${block}'`,
      );
    }
  t.true(seen > 150);
});

test('no word has both a reader and a status', (t) => {
  for (const l of [language, dpvsLanguage])
    for (const block of ['', 'global_defs', 'vrrp_instance', 'virtual_server', 'tcp', 'conn']) {
      const words = l.words(block);
      t.deepEqual(words, [...new Set(words)], block);
    }
});

test('words that limit, protect or decide who is active are refused', (t) => {
  const refused: readonly (readonly [string, string])[] = [
    ['vrrp_instance', 'track_script track_interface track_file track_process track_bfd'],
    ['vrrp_instance', 'no_accept track_src_ip owner_ignore_adverts timer_expired_backup'],
    ['vrrp_sync_group', 'track_script track_interface'],
    ['virtual_server', 'daddr_group_name waddr_group_name limit_proportion bps proxy_protocol'],
    ['virtual_server', 'persistence_engine sorry_server_inhibit'],
    ['TCP_CHECK', 'bind_if fwmark'],
    ['authentication', 'auth_hmac'],
  ];
  for (const [block, words] of refused)
    for (const w of words.split(' ')) t.is(language.known(block, w)?.status, 'refused', w);
});

test('a misplaced word is an error that names the block it belongs in', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['real_server 10.0.0.9 80 {\n}\n', /'real_server' does not belong in the top level/],
    [service(' virtual_ipaddress {\n 1.2.3.4\n }'), /'virtual_ipaddress' does not belong in/],
    [server(' laddr_group_name lips'), /'laddr_group_name' does not belong in 'real_server'/],
    [check(' priority 3'), /'priority' does not belong in 'TCP_CHECK'/],
  ];
  for (const [text, message] of cases) {
    const r = load(text);
    t.is(r.config, null);
    t.regex(said(r).join('\n'), message);
  }
});

test('track_quorum is read, and off unless it is written', (t) => {
  const i = (body: string) => load(instance(body)).config?.keepalived.vrrpInstances[0];
  t.is(i('')?.trackQuorum, false);
  t.is(i(' track_quorum')?.trackQuorum, true);
  t.is(i(' track_quorum off')?.trackQuorum, false);
  t.is(load(instance(' track_quorum perhaps')).config, null);
});

test('quorum scripts give addresses away, and are not run: an error', (t) => {
  const r = load(service(' quorum_up "/bin/true"\n quorum_down "/bin/true"'));
  t.is(r.config, null);
  t.deepEqual(said(r), [
    "9:2 error 'quorum_up' is not supported yet",
    "10:2 error 'quorum_down' is not supported yet",
  ]);
});

test('an empty block of a word that is refused decides nothing, and is no error', (t) => {
  for (const word of ['track_script', 'track_interface', 'virtual_routes', 'virtual_rules']) {
    const list = alone(instance(` ${word} {\n }`)).diagnostics.map((d) => d.message);
    t.deepEqual(
      list.filter((s) => !s.includes('was not looked at')),
      [`'${word}' is empty and has no effect`],
      word,
    );
  }
});

test('unicast words without a peer, and words of an address that nobody acts on, are told', (t) => {
  for (const words of [' unicast_src_ip 10.1.0.2', ' unicast_peer {\n }', ' unicast_ttl 10'])
    t.regex(said(alone(instance(words))).join('\n'), /without a unicast_peer: adverts go by multi/);
  const vip = alone(instance(' virtual_ipaddress {\n 10.9.0.1 label dpdk1:1 no_track\n }'));
  t.is(vip.diagnostics.filter((d) => d.message.includes('has no meaning here')).length, 2);
});

test('what harms nobody is a warning, as in keepalived, and no error', (t) => {
  const none = load(service(' persistence_timeout 0'));
  t.deepEqual(said(none), ['9:22 warning a timeout of 0 is no persistence']);
  t.is(none.config?.keepalived.virtualServers[0]?.persistenceTimeoutMs, null);
  t.deepEqual(said(alone(instance(' garp_master_repeat 0'))), [
    '7:21 warning no gratuitous ARP is sent when the addresses are taken',
  ]);
});

test('bindto is of the family of what is asked', (t) => {
  const of = (words: string) => said(load(check(words)));
  t.regex(of('bindto fd00::1').join('\n'), /error bindto is of another family/);
  t.deepEqual(of('connect_ip fd00::11\nbindto fd00::1'), []);
});

test('words of DPVS that limit are refused when they are on, others have their place', (t) => {
  const messages = (text: string): readonly string[] => said(dpvsAlone(text));
  t.regex(messages('ipv6_defs {\n disable on\n}\n').join('\n'), /error 'disable on' is not supp/);
  t.false(messages('ipv6_defs {\n disable off\n}\n').join('\n').includes('disable'));
  t.regex(messages('ipv4_defs {\n forwarding on\n}\n').join('\n'), /warning 'forwarding on'/);
  t.false(messages('ipv4_defs {\n forwarding off\n}\n').join('\n').includes('forwarding'));
  const fdir = 'netif_defs {\n device dpdk0 {\n fdir {\n mode perfect\n }\n }\n}\n';
  t.false(messages(fdir).some((s) => s.includes('does not belong')));
  const bond = 'netif_defs {\n device bond0 {\n slave dpdk0\n }\n}\n';
  t.regex(messages(bond).join('\n'), /error 'slave' is not supported yet/);
});

test('values have types and ranges', (t) => {
  const wrong = (text: string) => {
    const r = load(text);
    t.is(r.config, null, text);
    return said(r).filter((s) => s.includes(' error '));
  };
  const values: readonly string[] = [
    service(' delay_loop 0.000001'),
    service(' delay_loop 9999999999'),
    check(' connect_timeout 0'),
    check(' connect_ip 10.0.0.300'),
    check(' connect_ip 10.0.0.1\n bindto fd00::1'),
    instance(' mcast_src_ip 2001:db8::1'),
    instance(' unicast_src_ip 2001:db8::1'),
    instance(' unicast_peer {\n 2001:db8::1\n }'),
    instance(' mcast_dst_ip 10.0.0.1'),
    instance(' interface a/b').replace(' interface dpdk1.kni\n', ''),
    instance(' interface a-name-that-is-too-long'),
    instance(' authentication {\n auth_type PASS\n }'),
    instance(' unicast_peer {\n 10.0.0.9 max_ttl 3\n }'),
    server(' HTTP_GET {\n url {\n path "/a\tb"\n }\n }'),
    server(' HTTP_GET {\n url {\n path /\n regex_options wide\n regex x\n }\n }'),
    server(' UDP_CHECK {\n payload xyz\n }'),
    service(' protocol'),
    service(' lb_kind'),
    service(' sorry_server'),
    service(' sorry_server 10.0.0.0/8 80'),
  ];
  for (const text of values) t.is(wrong(text).length > 0, true, text);
});

test('a pattern that the compiler refuses is an error; without a compiler it is taken', (t) => {
  const text = server(' HTTP_GET {\n url {\n path /\n regex "(a"\n }\n }');
  t.not(load(text).config, null);
  const r = load(text, undefined, {}, { pattern: (p) => (p === '(a' ? 'missing )' : null) });
  t.is(r.config, null);
  t.regex(warned(r).join(), /the pattern cannot be compiled: missing \)/);
});
