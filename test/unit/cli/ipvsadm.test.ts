import test from 'ava';
import fc from 'fast-check';
import type { RuntimeCommand, ServiceWords } from '../../../src/api/views.js';
import { parse, parseSaved } from '../../../src/cli/ipvsadm/parse.js';
import { save, selector } from '../../../src/cli/ipvsadm/save.js';
import { words } from '../../../src/cli/ipvsadm/words.js';
import { UsageError } from '../../../src/cli/usage.js';
import type { Tunnel } from '../../../src/dataplane/snapshot.js';

const line = (text: string) => parse(text.split(' ').filter((w) => w !== '')).request;
const why = (text: string): string => {
  try {
    line(text);
  } catch (e) {
    if (e instanceof UsageError) return e.message;
    throw e;
  }
  return 'accepted';
};
const commands = (text: string): readonly RuntimeCommand[] => {
  const r = line(text);
  return r.kind === 'change' ? r.commands : [];
};

const web: ServiceWords = { protocol: 'TCP', address: '192.0.2.1', port: 80, match: null };

test('a service and what is said of it', (t) => {
  t.deepEqual(commands('-A -t 192.0.2.1:80'), [{ op: 'service.add', service: web, set: {} }]);
  t.deepEqual(
    commands(
      '-A -t 192.0.2.1:80 -s mh --sched-flags mh-port -p -M 255.255.255.0 --conn-timeout 9 --expire-quiescent',
    ),
    [
      {
        op: 'service.add',
        service: web,
        set: {
          scheduler: 'mh',
          schedulerPort: true,
          expireQuiescent: true,
          persistenceMs: 360_000,
          persistencePrefixLength: 24,
          establishedTimeoutMs: 9000,
        },
      },
    ],
  );
  t.deepEqual(commands('-E -u [2001:db8::1]:53 -p 7 -M 64 --ops'), [
    {
      op: 'service.edit',
      service: { protocol: 'UDP', address: '2001:db8::1', port: 53, match: null },
      set: { persistenceMs: 7000, persistencePrefixLength: 64, onePacket: true },
    },
  ]);
  t.deepEqual(commands('-D --sctp-service 192.0.2.1:80'), [
    { op: 'service.delete', service: { ...web, protocol: 'SCTP' } },
  ]);
  t.deepEqual(commands('-C'), [{ op: 'service.clear' }]);
});

test('real servers in every mode; without a port the service has it', (t) => {
  const modes = { '-g': 'DR', '-i': 'TUN', '-m': 'NAT', '-b': 'FNAT' };
  for (const [word, forwarding] of Object.entries(modes))
    t.deepEqual(commands(`-a -t 192.0.2.1:80 -r 10.0.0.1 ${word} -w 7`), [
      {
        op: 'server.add',
        service: web,
        server: { address: '10.0.0.1', port: null },
        set: { forwarding, weight: 7 },
      },
    ]);
  t.deepEqual(commands('-e -t 192.0.2.1:80 -r [fd00::1]:8080 -w0'), [
    {
      op: 'server.edit',
      service: web,
      server: { address: 'fd00::1', port: 8080 },
      set: { weight: 0 },
    },
  ]);
  t.deepEqual(commands('-e -t 192.0.2.1:80 -r 10.0.0.1:80 -x 100 -y50'), [
    {
      op: 'server.edit',
      service: web,
      server: { address: '10.0.0.1', port: 80 },
      set: { upperThreshold: 100, lowerThreshold: 50 },
    },
  ]);
  const tunnels = {
    ipip: null,
    'gre --tun-csum': { type: 'gre', checksum: true },
    'gue --tun-port 5555 --tun-nocsum': { type: 'gue', port: 5555, checksum: false },
  };
  for (const [words, tunnel] of Object.entries(tunnels))
    t.deepEqual(commands(`-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type ${words}`), [
      {
        op: 'server.add',
        service: web,
        server: { address: '10.0.0.1', port: null },
        set: { forwarding: 'TUN', tunnel: tunnel as null },
      },
    ]);
  t.deepEqual(commands('-d -t 192.0.2.1:80 -r fd00::1'), [
    { op: 'server.delete', service: web, server: { address: 'fd00::1', port: null } },
  ]);
});

test('SNAT by a match', (t) => {
  const [added] = commands(
    '-A -s rr -H proto=tcp,src-range=10.1.0.0-10.1.0.254,dst-range=0.0.0.0/0:80,iif=dpdk0,oif=dpdk1',
  );
  t.deepEqual(added, {
    op: 'service.add',
    service: {
      protocol: 'TCP',
      address: '',
      port: 0,
      match: {
        family: null,
        source: '10.1.0.0-10.1.0.254',
        destination: '0.0.0.0/0:80',
        iif: 'dpdk0',
        oif: 'dpdk1',
      },
    },
    set: { scheduler: 'rr' },
  });
});

test('local addresses and timeouts', (t) => {
  t.deepEqual(commands('-P -z 10.0.0.9 -t 192.0.2.1:80 -F dpdk0'), [
    { op: 'local.add', service: web, address: '10.0.0.9', device: 'dpdk0' },
  ]);
  t.deepEqual(commands('--del-laddr -z 10.0.0.9 -t 192.0.2.1:80 -F dpdk0'), [
    { op: 'local.delete', service: web, address: '10.0.0.9', device: 'dpdk0' },
  ]);
  t.deepEqual(commands('--set 900 0 30'), [{ op: 'timeouts.set', tcp: 900, tcpFin: 0, udp: 30 }]);
});

test('listings, with letters joined or apart', (t) => {
  const plain = {
    kind: 'list',
    service: null,
    show: 'services',
    sockpair: null,
    exact: false,
    nosort: false,
    json: false,
  };
  for (const text of ['-L -n', '-Ln', '-ln', '-l', '-n', '--list --numeric', ''])
    t.deepEqual(line(text), plain as never, text);
  t.like(line('-lnc'), { kind: 'list', show: 'sessions' });
  t.like(line('-Ln --stats --exact'), { show: 'stats', exact: true });
  t.like(line('-Ln --rate -X --nosort --json'), { show: 'rate', nosort: true, json: true });
  t.like(line('-L --timeout'), { show: 'timeouts' });
  t.like(line('-Ln --thresholds'), { show: 'thresholds' });
  t.like(line('-Ln -t 192.0.2.1:80'), { service: web });
  t.like(line('-lnc --sockpair tcp:1.2.3.4:5:192.0.2.1:80'), {
    show: 'sessions',
    sockpair: 'tcp:1.2.3.4:5:192.0.2.1:80',
  });
  t.deepEqual(line('-G -t 192.0.2.1:80'), { kind: 'locals', service: web, json: false });
  t.deepEqual(line('-Z'), { kind: 'zero', service: null, json: false });
  t.deepEqual(line('-S -n'), { kind: 'save', json: false });
  t.is(parse(['-L', '--run-dir=/tmp/x']).runDir, '/tmp/x');
});

test('what is wrong is told with the word, what was found, and what to do', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['-A', /^-A needs a service: -t, -u, --sctp-service or -H$/],
    ['-A -t 192.0.2.1', /'192\.0\.2\.1' has no port; expected ADDRESS:PORT/],
    ['-A -t 192.0.2.1:99999', /port: found '99999', expected a whole number from 0 to 65535/],
    ['-A -t', /^-t needs a value: TCP service ADDRESS:PORT$/],
    ['-A -t 192.0.2.1:80 -u 192.0.2.1:80', /two services are named/],
    ['-A -t 192.0.2.1:80 -t 192.0.2.1:81', /^-t is given twice$/],
    ['-A -D -t 192.0.2.1:80', /^-A and -D are two commands/],
    ['-A -t 192.0.2.1:80 -w 3', /^-w does not go with -A; it goes with -a -e$/],
    ['-A -t 192.0.2.1:80 -M 255.0.255.0 -p', /-M: found '255\.0\.255\.0', expected a netmask/],
    ['-A -t 192.0.2.1:80 -M 255.255.255.0', /-M does not go without -p/],
    ['-A -t 192.0.2.1:80 rr', /'rr' does not follow a word that takes a value/],
    ['-A -t 192.0.2.1:80 --scheduled rr', /unknown word '--scheduled'; did you mean --scheduler\?/],
    ['-A -t 192.0.2.1:80 --expire-quiescent=yes', /--expire-quiescent takes no value, found 'yes'/],
    ['-E -u 192.0.2.1:80 --ops --no-ops', /--ops and --no-ops contradict/],
    [
      '-A -t 192.0.2.1:80 --sched-flags flag-3',
      /'flag-3' is not supported yet; expected sh-port, mh-p/,
    ],
    ['-a -t 192.0.2.1:80', /^-a needs -r: real server ADDRESS\[:PORT\]$/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -g -b', /two forwarding modes are named/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -w -3', /-w: found '-3', expected a whole number/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -x many', /-x: found 'many', expected a whole number/],
    [
      '-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type l2tp',
      /found 'l2tp', expected ipip, gre or gue/,
    ],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gue', /--tun-type gue needs --tun-port/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gre --tun-port 1', /goes with --tun-type gue/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type ipip --tun-csum', /IP in IP has no checksum/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-csum', /--tun-csum and --tun-nocsum go with --tun-t/],
    ['-a -t 192.0.2.1:80 -r 10.0.0.1 -i --tun-type gre --tun-csum --tun-nocsum', /contradict/],
    ['-P -t 192.0.2.1:80 -z 10.0.0.9', /^-P needs -F: its device$/],
    ['-L -c --stats', /two listings are asked for/],
    ['-Q@', /unknown word '-@' in '-Q@'/],
    ['-A -H tcp,src-range=10.0.0.1', /-H: found 'tcp', expected one of af=\.\.\./],
    ['-A -H src-range=10.0.0.1', /-H needs proto=/],
    ['-A -H proto=tcp,proto=udp', /-H: proto is given twice/],
    ['--set 1 2', /--set needs three numbers/],
    ['-A -t 192.0.2.1:80 -j enable', /^-j enable: the SYN proxy is not supported yet/],
    ['-A -t 192.0.2.1:80 --dest-check default', /--dest-check default: the passive health check/],
    [
      '-A -t 192.0.2.1:80 --hash-target qid',
      /--hash-target qid: connection ids are not supported yet/,
    ],
    ['-s rr', /^a command is missing: -A -E/],
  ];
  for (const [text, expected] of cases) t.regex(why(text), expected, text);
});

test('words which say what is so anyway are taken', (t) => {
  t.deepEqual(commands('-A -t 192.0.2.1:80 -s mh --sched-flags mh-fallback,mh-port'), [
    { op: 'service.add', service: web, set: { scheduler: 'mh', schedulerPort: true } },
  ]);
  t.deepEqual(commands('-A -t 192.0.2.1:80 -s sh --sched-flags sh-fallback'), [
    { op: 'service.add', service: web, set: { scheduler: 'sh', schedulerPort: false } },
  ]);
  t.deepEqual(commands('-A -t 192.0.2.1:80 -j disable --dest-check disable --hash-target sip'), [
    { op: 'service.add', service: web, set: {} },
  ]);
});

/** A command the word goes with, rather one that works. */
const commandWith = (goesWith: string): string => {
  const works = (c: string): boolean => words.some((w) => w.short === c && w.missing === null);
  const c = [...goesWith].find(works) ?? goesWith[0];
  return c === undefined ? '' : `-${c}`;
};

test('every word that is not supported is refused by its name and the reason, short and long', (t) => {
  const missing = words.filter((w) => w.missing !== null);
  t.true(missing.length >= 15);
  const written = missing.flatMap((w) => [
    ...(w.short === null ? [] : [{ w, as: `-${w.short}` }]),
    ...(w.long === null ? [] : [{ w, as: `--${w.long}` }]),
  ]);
  for (const { w, as } of written) {
    const value = w.argument === 'required' ? 'x' : '';
    const said = why(`${commandWith(w.goesWith)} ${as} ${value}`);
    // Where the command itself is not supported, that is what is told.
    if (!/^[UVBOYW]+$/.test(w.goesWith)) t.is(said, `${as}: ${w.missing}`);
    else t.regex(said, /^-[UVBOYW]: access lists are not supported yet$/);
  }
});

test('each word has one meaning', (t) => {
  const names = words.flatMap((w) => [w.short, w.long]).filter((n) => n !== null);
  t.deepEqual([...new Set(names)].sort(), [...names].sort());
  t.is(new Set(words.map((w) => w.id)).size, words.length);
});

test('a saved state: remarks and blank lines are passed over, a bad line is named', (t) => {
  const text = '# in k.conf:3: TCP 192.0.2.9:80\n\n-A -t 192.0.2.1:80 -s rr\n-D -t 192.0.2.2:80\n';
  t.deepEqual(
    parseSaved(text).map((s) => [s.line, s.command.op]),
    [
      [3, 'service.add'],
      [4, 'service.delete'],
    ],
  );
  t.throws(() => parseSaved('-A -t 192.0.2.1:80\n-L\n'), {
    instanceOf: UsageError,
    message: /^line 2: '-L' changes nothing/,
  });
  t.throws(() => parseSaved('-A -t 192.0.2.1\n'), { message: /^line 1: .*has no port/ });
});

// ---- properties

const address = fc.constantFrom('192.0.2.1', '10.0.0.7', '2001:db8::1');
const port = fc.integer({ min: 1, max: 65_535 });
const service: fc.Arbitrary<ServiceWords> = fc.oneof(
  fc.record({
    protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'),
    address,
    port,
    match: fc.constant(null),
  }),
  fc.record({
    protocol: fc.constantFrom('TCP', 'UDP', 'ICMP'),
    address: fc.constant(''),
    port: fc.constant(0),
    match: fc.record({
      family: fc.constantFrom(4 as const, 6 as const),
      source: fc.constantFrom(null, '10.0.0.0-10.0.0.9:1-9', '[fd00::1-fd00::9]:80'),
      destination: fc.constantFrom(null, '0.0.0.0/0'),
      iif: fc.constantFrom(null, 'dpdk0'),
      oif: fc.constantFrom(null, 'dpdk1'),
    }),
  }),
);
const limits = fc.record(
  {
    upperThreshold: fc.integer({ min: 1, max: 0x7fffffff }),
    lowerThreshold: fc.integer({ min: 1, max: 0x7fffffff }),
    tunnel: fc.constantFrom<Tunnel>(
      { type: 'gre', checksum: true },
      { type: 'gre', checksum: false },
      { type: 'gue', port: 5555, checksum: true },
    ),
  },
  { requiredKeys: [] },
);
/** As the state gives them: everything is named. */
const command: fc.Arbitrary<RuntimeCommand> = service.chain((s): fc.Arbitrary<RuntimeCommand> => {
  const v6 = s.address.includes(':');
  const seconds = fc.integer({ min: 1, max: 100_000 }).map((n) => n * 1000);
  const persistence = fc.oneof(
    fc.constant({}),
    fc.record({
      persistenceMs: seconds,
      persistencePrefixLength: fc.integer({ min: 1, max: v6 ? 127 : 31 }),
    }),
  );
  const flags = fc.record(
    {
      expireQuiescent: fc.constant(true as const),
      onePacket: fc.constant(true as const),
      establishedTimeoutMs: seconds,
    },
    { requiredKeys: [] },
  );
  const scheduled = fc.constantFrom<{ scheduler: string; schedulerPort?: true }>(
    { scheduler: 'rr' },
    { scheduler: 'sh', schedulerPort: true },
  );
  return fc.oneof(
    fc
      .tuple(persistence, flags, scheduled)
      .map(([p, f, x]) => ({ op: 'service.add' as const, service: s, set: { ...p, ...f, ...x } })),
    fc.record({
      op: fc.constant('server.add' as const),
      service: fc.constant(s),
      server: fc.record({ address, port }),
      set: fc
        .record({
          forwarding: fc.constantFrom('FNAT', 'NAT', 'DR', 'TUN', 'SNAT'),
          weight: fc.integer({ min: 0, max: 65_535 }),
        })
        .chain((set) => limits.map((x) => ({ ...set, ...x }))),
    }),
    fc.record({
      op: fc.constant('local.add' as const),
      service: fc.constant(s),
      address,
      device: fc.constantFrom('dpdk0', 'dpdk1'),
    }),
  );
});

test('what is saved is read back as it was', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(command, { maxLength: 6 }), (list) => {
        t.deepEqual(
          parseSaved(save(list)).map((s) => s.command),
          list,
        );
      }),
    ),
  );
});

test('a service is named as it was parsed', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(service, (s) => {
        t.deepEqual(commands(`-D ${selector(s)}`), [{ op: 'service.delete', service: s }]);
      }),
    ),
  );
});

test('whatever is typed: a request, or one line that says what is wrong', (t) => {
  const known = words.flatMap((w) => [
    ...(w.short === null ? [] : [`-${w.short}`]),
    ...(w.long === null ? [] : [`--${w.long}`, `--${w.long}=`]),
  ]);
  const token = fc.oneof(
    fc.constantFrom(...known),
    fc.constantFrom('192.0.2.1:80', '[::1]:80', '[', ']:', ':', '80', 'rr', 'dpdk0', '-', '--', ''),
    fc.string({ maxLength: 12 }),
    fc.tuple(fc.constantFrom(...known), fc.string({ maxLength: 4 })).map((p) => p.join('')),
  );
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.array(token, { maxLength: 9 }), (argv) => {
        try {
          return parse(argv).request.kind !== undefined;
        } catch (e) {
          return e instanceof UsageError && e.message !== '' && !e.message.includes('undefined');
        }
      }),
      { numRuns: 2000 },
    ),
  );
});
