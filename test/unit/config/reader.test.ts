import test from 'ava';
import { alone, load, said } from './source.js';

const router = (text: string): string | undefined =>
  load(text, undefined).config?.keepalived.globalDefs.routerId ??
  alone(text)
    .diagnostics.map((d) => d.message)
    .join();

const id = (value: string, before = ''): string =>
  `${before}global_defs {\n router_id ${value}\n}\n`;

test('comments begin at # or ! outside quotes, escaped they are characters', (t) => {
  t.is(router(id('a # b')), 'a');
  t.is(router(id('a ! b')), 'a');
  t.is(router(id('"a # b"')), 'a # b');
  t.is(router(id('a\\#b')), 'a#b');
  t.is(router(`# all of it\n!global_defs {\n${id('x')}`), 'x');
});

test('a comment glued to a value cuts it, and that is warned of at its place', (t) => {
  const text = id('a#b');
  t.is(router(text), 'a');
  t.deepEqual(said(alone(text)), [
    "2:13 warning '#' begins a comment here, the rest of the line is not read",
  ]);
});

test('quotes join and vanish, also around keywords', (t) => {
  t.is(router(id('a" b "c')), 'a b c');
  t.is(router('global_defs {\n "router_id" "x y"\n}\n'), 'x y');
});

test('braces split a line anywhere; CRLF and a missing last newline do no harm', (t) => {
  t.is(router('global_defs{router_id a}'), 'a');
  t.is(router('global_defs\n{\n router_id a }'), 'a');
  t.is(router('global_defs {\r\n router_id a\r\n}\r\n'), 'a');
});

test('braces that do not match are told where', (t) => {
  t.deepEqual(said(alone('global_defs {\n router_id a\n')), [
    "1:1 error block 'global_defs' is not closed",
  ]);
  t.deepEqual(said(alone('global_defs {\n}\n}\n')), ["3:1 error '}' closes nothing"]);
});

test('definitions are expanded late, nested, inside quotes and in braces', (t) => {
  t.is(router(id('$A', '$A=one\n')), 'one');
  t.is(router(id('x${A}y', '$A=1\n')), 'x1y');
  t.is(router(id('"$B"', '$B=a-${C}\n$C=c\n')), '$B', 'before a quote $B is no reference');
  t.is(router(id('"${B}"', '$B=a-${C}\n$C=c\n')), 'a-c');
  t.is(router(id('$NOPE')), '$NOPE', 'what is not defined stays');
});

test('a definition that expands to itself is an error, not a hang', (t) => {
  t.true(said(alone(id('${A}', '$A=x${A}\n'))).some((s) => s.includes('expands without an end')));
});

test('a definition of several lines comes out as lines', (t) => {
  const text = '$BODY= \\\n router_id many \\\n vrrp_version 3\nglobal_defs {\n $BODY\n}\n';
  const { config } = load(text);
  t.is(config?.keepalived.globalDefs.routerId, 'many');
  t.is(config?.keepalived.globalDefs.vrrpVersion, 3);
});

test('conditions compare with the first label of the host name', (t) => {
  t.is(router('global_defs {\n @lb1 router_id me\n @lb2 router_id other\n}\n'), 'me');
  t.is(router('global_defs {\n router_id a\n @^lb1 router_id b\n @^lb2 router_id c\n}\n'), 'c');
  t.is(router('@lb1 $P=here\n@^lb1 $P=there\nglobal_defs {\n router_id $P\n}\n'), 'here');
});

test('sequences and lists repeat their line', (t) => {
  const group = (line: string): readonly string[] =>
    load(
      `local_address_group g {\n ${line}\n}\n`,
    ).config?.keepalived.localAddressGroups[0]?.addresses.map((a) => a.address) ?? [];
  t.deepEqual(group('~SEQ(i, 3) 10.1.0.$i dpdk0'), ['10.1.0.1', '10.1.0.2', '10.1.0.3']);
  t.deepEqual(group('~SEQ(i, 10, -5, 0) 10.1.0.$i dpdk0'), ['10.1.0.10', '10.1.0.5', '10.1.0.0']);
  t.deepEqual(group('~LST(i, 7, 9) 10.1.0.$i dpdk0'), ['10.1.0.7', '10.1.0.9']);
  t.deepEqual(group('~LST({a,b}, {1,2}, {3,4}) 10.1.${a}.$b dpdk0'), ['10.1.1.2', '10.1.3.4']);
  t.deepEqual(group('~SEQ(i, 1, 2) ~SEQ(k, 1, 2) 10.1.${i}.$k dpdk0'), [
    '10.1.1.1',
    '10.1.1.2',
    '10.1.2.1',
    '10.1.2.2',
  ]);
  t.true(said(alone('~SEQ(i, 1, 0, 5) x $i\n')).some((s) => s.includes('step 0')));
});

test('includes are read where they stand, from the directory of the file that names them', (t) => {
  const files = {
    'd/one.conf': 'global_defs {\n router_id from-one\n}\ninclude two.conf\n',
    'd/two.conf': 'static_ipaddress {\n 10.0.0.1/24 dev eth0\n}\n',
  };
  const r = load('include d/*.conf\n', undefined, files);
  t.deepEqual(said(r), ['2:2 error 10.0.0.1 is there twice'].slice(1));
  t.is(r.config?.keepalived.globalDefs.routerId, 'from-one');
  t.is(r.config?.keepalived.staticAddresses[0]?.place.file, 'd/two.conf');
});

test('an include without a match is a warning, a strict one an error, and a loop ends', (t) => {
  t.deepEqual(said(alone('include nope.conf\n')), ["1:9 warning no file matches 'nope.conf'"]);
  t.deepEqual(said(alone('includem nope.conf\n')), ["1:10 error no file matches 'nope.conf'"]);
  const loop = load('include keepalived.conf\n');
  t.true(said(loop).some((s) => s.includes('includes itself')));
});

test('columns are those of the file, also behind a substitution', (t) => {
  const text = '$LONG=a-very-long-value\nglobal_defs {\n router_id $LONG surplus\n}\n';
  t.deepEqual(said(alone(text)), ["3:18 warning 'surplus' after 'router_id' is not read"]);
});

test('a file that is not there is an error with its name', (t) => {
  const r = load('', undefined, {});
  t.deepEqual(said(r), []);
  const gone = load('include /etc/none\n');
  t.is(gone.diagnostics[0]?.code, 'KS_CONF_INCLUDE');
});
