import test from 'ava';
import { exitCode, renderDiagnostics } from '../../../src/config/diagnostics.js';
import { alone, instance, load, said, service } from './source.js';

const vrrp = (body: string) => load(instance(body)).config?.keepalived.vrrpInstances[0];
const vs = (body: string, rs?: string) =>
  load(service(body, rs)).config?.keepalived.virtualServers[0];

test('an instance has keepalived’s defaults', (t) => {
  const i = vrrp('');
  t.like(i, {
    name: 'V',
    state: 'BACKUP',
    interface: 'dpdk1.kni',
    dpdkInterface: null,
    vrid: 51,
    priority: 100,
    advertMs: 1000,
    version: 2,
    authentication: { type: 'none' },
    preempt: true,
    preemptDelayMs: 0,
    downTimerAdverts: 3,
    multicastGroup: '224.0.0.18',
    unicastTtl: 255,
  });
  t.like(i?.garp, { masterDelayMs: 5000, masterRepeat: 5, refreshMs: 0, lowerPrioRepeat: 5 });
  t.deepEqual(
    i?.virtualAddresses.map((a) => [a.address, a.prefixLength, a.dev]),
    [['198.51.100.80', 32, null]],
  );
});

test('state MASTER without a priority is the owner (255)', (t) => {
  t.is(vrrp(' state MASTER')?.priority, 255);
  t.is(vrrp(' state MASTER\n priority 150')?.priority, 150);
});

test('everything an instance can say is taken over', (t) => {
  const i = vrrp(`
 dpdk_interface dpdk1
 priority 150
 version 3
 advert_int 0.25
 nopreempt
 down_timer_adverts 4
 unicast_src_ip 198.51.100.2
 unicast_peer {
  198.51.100.3
  198.51.100.4
 }
 unicast_ttl 64
 garp_master_delay 2
 garp_master_repeat 3
 garp_master_refresh 60
 lower_prio_no_advert
 higher_prio_send_advert on
 skip_check_adv_addr
 check_unicast_src yes
 dont_track_primary
 virtual_ipaddress_excluded {
  203.0.113.7/24 dev dpdk0.kni scope global
 }`);
  t.like(i, {
    dpdkInterface: 'dpdk1',
    priority: 150,
    version: 3,
    advertMs: 250,
    preempt: false,
    downTimerAdverts: 4,
    sourceAddress: '198.51.100.2',
    unicastPeers: ['198.51.100.3', '198.51.100.4'],
    unicastTtl: 64,
    lowerPrioNoAdvert: true,
    higherPrioSendAdvert: true,
    skipCheckAdvertAddresses: true,
    checkUnicastSource: true,
    dontTrackPrimary: true,
  });
  t.like(i?.garp, { masterDelayMs: 2000, masterRepeat: 3, refreshMs: 60_000 });
  t.like(i?.excludedAddresses[0], { address: '203.0.113.7', prefixLength: 24, dev: 'dpdk0.kni' });
});

test('a password is cut to eight characters, with a word about it', (t) => {
  const text = instance(' authentication {\n auth_type PASS\n auth_pass 123456789\n }');
  t.deepEqual(
    vrrp(' authentication {\n auth_type PASS\n auth_pass 123456789\n }')?.authentication,
    {
      type: 'pass',
      password: '12345678',
    },
  );
  t.true(said(alone(text)).some((s) => s.includes('first 8 characters')));
});

test('global definitions count for instances written before them', (t) => {
  const text = `${instance('')}global_defs {\n vrrp_version 3\n vrrp_garp_master_repeat 1\n}\n`;
  const i = load(text).config?.keepalived.vrrpInstances[0];
  t.is(i?.version, 3);
  t.is(i?.garp.masterRepeat, 1);
});

test('version 2 counts whole seconds, version 3 hundredths up to 40.95; others are rounded', (t) => {
  t.true(
    said(alone(instance(' advert_int 0.5'))).some((s) =>
      s.includes('warning V: version 2 counts advert_int in whole seconds'),
    ),
  );
  t.is(vrrp(' advert_int 0.5')?.advertMs, 1000);
  t.is(vrrp(' advert_int 2.4')?.advertMs, 2000);
  t.is(vrrp(' version 3\n advert_int 0.015')?.advertMs, 20);
  t.is(vrrp(' version 3\n advert_int 41')?.advertMs, 40_950);
});

test('local addresses are expanded', (t) => {
  const g = load(service('')).config?.keepalived.localAddressGroups[0];
  t.deepEqual(
    g?.addresses.map((a) => `${a.address} ${a.device}`),
    ['10.1.0.200 dpdk0', '10.1.0.201 dpdk0', '10.1.0.202 dpdk0', '10.1.0.203 dpdk0'],
  );
});

test('timing of a check: checker before real_server before virtual_server before built in', (t) => {
  const check = (vsWords: string, rsWords: string, words: string) => {
    const rs = ` real_server 10.1.0.11 80 {\n${rsWords}\n TCP_CHECK {\n${words}\n }\n }`;
    return vs(vsWords, rs)?.realServers[0]?.checkers[0]?.timing;
  };
  t.deepEqual(check('', '', ''), {
    connectTimeoutMs: 5000,
    retry: 1,
    delayBeforeRetryMs: 1000,
    warmupMs: 60_000,
    delayLoopMs: 60_000,
    alpha: false,
    logAllFailures: false,
  });
  t.like(check(' delay_loop 6\n connect_timeout 3\n alpha', '', ''), {
    delayLoopMs: 6000,
    warmupMs: 6000,
    connectTimeoutMs: 3000,
    alpha: true,
  });
  t.like(check(' delay_loop 6\n retry 5', ' delay_loop 4\n retry 4', ' retry 0\n delay_loop 2.5'), {
    delayLoopMs: 2500,
    retry: 0,
  });
  t.like(check(' delay_loop 6\n retry 5', ' delay_loop 4', ''), { delayLoopMs: 4000, retry: 5 });
});

test('HTTP_GET with its urls', (t) => {
  const rs = ` real_server 10.1.0.11 80 {
  HTTP_GET {
   http_protocol 1.1
   virtualhost www.example
   connect_port 8080
   url {
    path /a
    status_code 200-204 301
    digest 0123456789ABCDEF0123456789abcdef
   }
   url {
    path /b
    regex "ok$"
    regex_options caseless
    regex_no_match
   }
  }
 }`;
  const c = vs('', rs)?.realServers[0]?.checkers[0];
  t.is(c?.kind, 'HTTP_GET');
  if (c?.kind !== 'HTTP_GET') return;
  t.is(c.protocol, '1.1');
  t.is(c.virtualhost, 'www.example');
  t.is(c.target.connectPort, 8080);
  t.deepEqual(c.urls[0]?.statusRanges, [
    { from: 200, to: 204 },
    { from: 301, to: 301 },
  ]);
  t.is(c.urls[0]?.digest, '0123456789abcdef0123456789abcdef');
  t.like(c.urls[1], { path: '/b', regex: 'ok$', regexNoMatch: true });
});

test('the quorum is clamped to all weights, hysteresis below the quorum', (t) => {
  const v = vs(' quorum 5\n hysteresis 9', ' real_server 10.1.0.11 80 {\n weight 3\n }');
  t.is(v?.quorum, 3);
  t.is(v?.hysteresis, 0);
});

test('another port than the virtual server’s means nothing in DR and TUN, which is told', (t) => {
  const told = (kind: string, port: number) =>
    said(
      load(
        service('', ` real_server 10.1.0.11 ${port} {\n }`)
          .replace('lb_kind FNAT', `lb_kind ${kind}`)
          .replace(/laddr_group_name.*/, ''),
      ),
    );
  for (const kind of ['DR', 'TUN']) {
    t.deepEqual(told(kind, 80), []);
    t.regex(
      told(kind, 8080).join(),
      /warning 10\.1\.0\.11 8080: lb_kind .* clients come to port 80$/,
    );
  }
  t.deepEqual(told('NAT', 8080), []);
});

test('thresholds of a real server', (t) => {
  const rs = (words: string): string => ` real_server 10.1.0.11 80 {\n${words}\n }`;
  t.like(vs('', rs(' uthreshold 100\n lthreshold 60'))?.realServers[0], {
    upperThreshold: 100,
    lowerThreshold: 60,
  });
  t.like(vs('', rs(''))?.realServers[0], { upperThreshold: 0, lowerThreshold: 0 });
  const complaint = (words: string): string => said(load(service('', rs(words)))).join('\n');
  t.regex(complaint('lthreshold 5'), /error thresholds the wrong way/);
  t.regex(complaint('uthreshold 4\n lthreshold 5'), /error thresholds the wrong way/);
  t.is(complaint('uthreshold 4\n lthreshold 4'), '');
});

test('a real server without a port has its virtual server’s', (t) => {
  t.is(vs('', ' real_server 10.1.0.11 {\n }')?.realServers[0]?.port, 80);
});

test('an unknown keyword is an error with its place and a suggestion, and its block is skipped whole', (t) => {
  const r = alone(
    instance(
      ' prioritty 7\n virtual_ipadress {\n  10.0.0.1\n  virtual_router_id 9\n }\n priority 120',
    ),
  );
  t.deepEqual(said(r), [
    "7:2 error unknown keyword 'prioritty' in 'vrrp_instance'",
    "8:2 error unknown keyword 'virtual_ipadress' in 'vrrp_instance'",
  ]);
  t.deepEqual(
    r.diagnostics.filter((d) => d.severity === 'error').map((d) => d.hint),
    ["did you mean 'priority'?", "did you mean 'virtual_ipaddress'?"],
  );
});

test('a word that only informs is a warning, tuning of another program an information', (t) => {
  const r = load(instance(' promote_secondaries\n notify_master "/bin/true"'));
  t.not(r.config, null);
  t.deepEqual(
    r.diagnostics.map((d) => [d.severity, d.code, d.message]),
    [
      ['info', 'KS_CONF_NOT_ACTED_ON', "'promote_secondaries' has no meaning here"],
      ['warning', 'KS_CONF_NO_EFFECT', "'notify_master' is accepted, without effect"],
    ],
  );
});

test('all errors come at once, in the order of the file, and there is no configuration', (t) => {
  const r = load(
    'vrrp_instance A {\n virtual_router_id 300\n priority ten\n}\nvirtual_server 1.2.3 80 {\n}\n',
  );
  t.is(r.config, null);
  t.deepEqual(
    r.diagnostics.filter((d) => d.severity === 'error').map((d) => `${d.place.line} ${d.code}`),
    [
      '1 KS_CONF_MISSING',
      '1 KS_CONF_MISSING',
      '2 KS_CONF_VALUE',
      '3 KS_CONF_VALUE',
      '5 KS_CONF_VALUE',
    ],
  );
});

test('the result is frozen to the ground', (t) => {
  const { config } = load(instance('') + service(''));
  const rs = config?.keepalived.virtualServers[0]?.realServers;
  t.true(Object.isFrozen(config) && Object.isFrozen(rs) && Object.isFrozen(rs?.[0]));
});

test('what both files must agree on', (t) => {
  const complaint = (text: string): string => said(load(text)).join('\n');
  t.regex(complaint(instance(' dpdk_interface dpdk7')), /dpdk_interface dpdk7 is no device/);
  t.regex(
    complaint(
      'vrrp_instance V {\n interface eth9\n virtual_router_id 1\n virtual_ipaddress {\n 1.2.3.4\n }\n}\n',
    ),
    /eth9 belongs to no device/,
  );
  t.regex(
    complaint(service('').replace('lips dpdk0', '').replace(/dpdk0/, 'dpdk9')),
    /dpdk9 is no device/,
  );
  t.regex(
    complaint(service('').replace('laddr_group_name lips', '')),
    /FNAT needs local addresses/,
  );
  t.regex(
    complaint(service('').replace('lb_kind FNAT', 'lb_kind SNAT')),
    /lb_kind SNAT needs a virtual_server match/,
  );
  t.regex(complaint(service(' syn_proxy')), /syn_proxy is not supported yet/);
  t.regex(
    complaint(
      service('') + service('').replace('local_address_group lips', 'local_address_group l2'),
    ),
    /served twice/,
  );
  t.regex(
    complaint(instance('') + instance('').replace('nce V', 'nce W')),
    /both|V have virtual_router_id|W and V/,
  );
});

test('an absent lb_algo is warned of, a wrong one is an error alone', (t) => {
  const without = said(load(service('').replace(' lb_algo rr\n', '')));
  t.true(without.some((s) => s.includes('no lb_algo is given')));
  const wrong = said(load(service('').replace('lb_algo rr', 'lb_algo rrr')));
  t.deepEqual(
    wrong.map((s) => s.replace(/^\S+ /, '')),
    ['error wrong value'],
  );
});

test('rendering: place, caret under the word, hint, count; tabs keep their width', (t) => {
  const text = 'global_defs {\n\trouter_idd x\n}\n';
  const whole = load(text);
  const r = { ...whole, files: new Map([['keepalived.conf', text]]) };
  t.is(
    renderDiagnostics(r.diagnostics, r.files),
    [
      "keepalived.conf:2:2: error: unknown keyword 'router_idd' in 'global_defs' [KS_CONF_UNKNOWN_KEYWORD]",
      '    \trouter_idd x',
      '    \t^~~~~~~~~~',
      "    hint: did you mean 'router_id'?",
      '1 error',
      '',
    ].join('\n'),
  );
  const warning = load('global_defs {\n smtp_alert\n}\n');
  t.is(exitCode(warning.diagnostics, false), 0);
  t.is(exitCode(warning.diagnostics, true), 1);
  t.is(exitCode(alone('global_defs {\n vrrp_version 7\n}\n').diagnostics, false), 1);
});

test('persistence: off, for a time, by prefix', (t) => {
  const persistence = (body: string) => {
    const v = load(service(body)).config?.keepalived.virtualServers[0];
    return [v?.persistenceTimeoutMs, v?.persistencePrefixLength];
  };
  t.deepEqual(persistence(''), [null, null]);
  t.deepEqual(persistence(' persistence_timeout 60'), [60_000, null]);
  t.deepEqual(persistence(' persistence_timeout'), [360_000, null]);
  t.deepEqual(persistence(' persistence_granularity 255.255.255.0'), [360_000, 24]);
  t.deepEqual(
    persistence(' persistence_timeout 5\n persistence_granularity 255.255.255.255'),
    [5000, 32],
  );
  t.deepEqual(persistence(' persistence_granularity 64'), [360_000, 64]);
  t.deepEqual(said(load(service(' persistence_granularity 255.0.255.0'))), [
    '9:26 warning the mask has holes, /8 is used',
  ]);
});

const egress = (body: string, head = 'match egress') =>
  load(
    `static_ipaddress {\n 198.51.100.2/24 dev dpdk1.kni\n}\nvirtual_server ${head} {\n lb_algo rr\n protocol UDP\n${body}\n real_server 198.51.100.2 0 {\n }\n}\n`,
  );

test('a match: ranges, prefixes, ports, devices; SNAT goes without saying', (t) => {
  const rule = (body: string) => egress(body).config?.keepalived.virtualServers[0]?.match;
  t.is(egress(' src-range 10.1.0.0/16').config?.keepalived.virtualServers[0]?.forwarding, 'SNAT');
  t.deepEqual(
    rule(' src-range 10.1.0.0-10.1.255.255:1024-65535\n dst_range 192.0.2.0/24:53\n oif dpdk1'),
    {
      source: { first: '10.1.0.0', last: '10.1.255.255', firstPort: 1024, lastPort: 65_535 },
      destination: { first: '192.0.2.0', last: '192.0.2.255', firstPort: 53, lastPort: 53 },
      iif: null,
      oif: 'dpdk1',
    },
  );
  t.deepEqual(
    load(
      'virtual_server match six {\n lb_algo rr\n protocol UDP\n src-range [fd00::-FD00::ff]:53\n dst-range 2001:db8::/33\n real_server 2001:db8::2 0 {\n }\n}\n',
    ).config?.keepalived.virtualServers[0]?.match,
    {
      source: { first: 'fd00::', last: 'fd00::ff', firstPort: 53, lastPort: 53 },
      destination: {
        first: '2001:db8::',
        last: '2001:db8:7fff:ffff:ffff:ffff:ffff:ffff',
        firstPort: 0,
        lastPort: 0,
      },
      iif: null,
      oif: null,
    },
  );
});

test('a match that cannot be is refused with its place', (t) => {
  const wrong = (body: string, head?: string) => said(egress(body, head));
  for (const range of ['10.1.0.9-10.1.0.1', '10.1.0.0/33', '10.1.0.1:70000', '10.1.0.1-fd00::1'])
    t.deepEqual(wrong(` src-range ${range}\n dst-range 10.0.0.0/8`), ['7:12 error wrong value']);
  t.deepEqual(wrong(''), ['4:16 error a match needs src-range or dst-range']);
  t.deepEqual(wrong(' src-range 10.0.0.0/8\n iif eth7'), [
    '4:16 error eth7 is no device of dpvs.conf',
  ]);
  t.deepEqual(wrong(' src-range fd00::/8'), [
    '8:2 error 198.51.100.2 is not of the family of the match, IPv6',
  ]);
  t.deepEqual(wrong(' src-range 10.0.0.0/8\n lb_kind NAT'), [
    '4:16 error lb_kind NAT does not go with a match',
  ]);
  t.deepEqual(wrong(' src-range 10.0.0.0/8:80\n protocol ICMP'), [
    '4:16 error protocol ICMP has no ports',
  ]);
  const two = `virtual_server match e {\n lb_algo rr\n protocol TCP\n src-range 10.0.0.0/8\n real_server 192.0.2.1 0 {\n }\n}\n`;
  t.deepEqual(said(load(two + two)), [
    '5:2 warning 192.0.2.1 is in no virtual_ipaddress and no static_ipaddress',
    '8:16 error match e TCP is served twice',
    '12:2 warning 192.0.2.1 is in no virtual_ipaddress and no static_ipaddress',
  ]);
});

test('kinds of tunnels: IP in IP, GRE, GUE with its port, with and without checksums', (t) => {
  const kind = (words: string) =>
    load(service('').replace('lb_kind FNAT', `lb_kind ${words}`)).config?.keepalived
      .virtualServers[0]?.tunnel;
  t.is(kind('TUN'), null);
  t.is(kind('TUN type ipip'), null);
  t.deepEqual(kind('TUN type gre'), { type: 'gre', checksum: false });
  t.deepEqual(kind('TUN type gre csum'), { type: 'gre', checksum: true });
  t.deepEqual(kind('TUN type gue port 6080 nocsum'), { type: 'gue', port: 6080, checksum: false });
  const complaint = (words: string): string =>
    said(load(service('').replace('lb_kind FNAT', `lb_kind ${words}`))).join();
  for (const words of [
    'TUN type gue',
    'TUN type gue port 0',
    'TUN type vxlan',
    'TUN kind gre',
    'TUN type gre remcsum',
    'TUN type ipip csum',
    'TUN type gre csum more',
  ])
    t.regex(complaint(words), /error wrong value/, words);
});

test('families: FNAT leads between them with local addresses of the servers’ family, the others do not', (t) => {
  const six = (kind: string, lips = ' 10.1.0.200-203 dpdk0') =>
    said(
      load(
        `local_address_group lips {\n${lips}\n}\nvirtual_server 2001:DB8::80 80 {\n lb_algo rr\n lb_kind ${kind}\n protocol TCP\n laddr_group_name lips\n real_server 10.1.0.11 80 {\n }\n}\n`,
      ),
    );
  t.deepEqual(six('FNAT'), []);
  t.deepEqual(six('TUN'), []);
  t.deepEqual(six('FNAT', ' fd00::200 dpdk0'), [
    '9:2 error 10.1.0.11: no local address of its family',
  ]);
  t.deepEqual(six('NAT'), [
    '9:2 error 10.1.0.11: lb_kind NAT does not lead there from 2001:db8::80',
  ]);
});

test('what the data plane would refuse is refused here, with its place', (t) => {
  const complaints = (text: string) => said(load(text)).map((c) => c.replace(/^\d+:\d+ /, ''));
  t.deepEqual(complaints(service('', ' real_server 127.0.0.1 80 {\n }')), [
    'error 127.0.0.1 cannot be the address of a real server',
  ]);
  t.deepEqual(complaints(service('').replace('198.51.100.80', '239.0.0.1')), [
    'error 239.0.0.1 cannot be the address of a service',
  ]);
  t.deepEqual(complaints(service('').replace('198.51.100.80', '10.1.0.201')), [
    'error 10.1.0.201 is a local address, and cannot be the address of a service as well',
  ]);
  t.deepEqual(complaints(`${service('')}local_address_group more {\n 10.1.0.203 dpdk1\n}\n`), [
    'error 10.1.0.203 is wanted on dpdk0 and on dpdk1',
  ]);
});
