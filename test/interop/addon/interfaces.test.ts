import { fileURLToPath } from 'node:url';
import test from 'ava';
import { outputOf } from '../../support/programs/programs.js';

const program = fileURLToPath(new URL('../../support/addon/interfaces.js', import.meta.url));
const namespace = `addon-${process.pid}`;
const ip = (...args: readonly string[]): string => outputOf(['ip', ...args]).toString();

test.before(() => void ip('netns', 'add', namespace));
test.after.always(() => void ip('netns', 'del', namespace));

/** What the program told, by subject. */
const run = (...command: readonly string[]): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    ip('netns', 'exec', namespace, ...command)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, unknown]),
  );

test('links, addresses and routes are changed, dumped and followed', (t) => {
  const { seen, ...told } = run(process.execPath, program);
  t.deepEqual(told, {
    'lo before': false,
    'lo after': true,
    address: ['ok', 'EEXIST'],
    addresses: ['127.0.0.1/8', '192.0.2.1/32'],
    route: ['ok', 'EEXIST'],
    routes: '198.51.100.0/24 dev lo proto static scope link src 192.0.2.1 metric 5',
    'route gone': ['ok', 'ESRCH'],
    'address gone': ['ok', 'EADDRNOTAVAIL'],
    nonsense: ['EINVAL', 'EINVAL', 'EINVAL'],
    mac: true,
  });
  const events = seen as readonly string[];
  for (const wanted of [
    'link lo running',
    'address 192.0.2.1/32',
    'addressGone 192.0.2.1/32',
    'link v0 running',
    'linkGone v0',
    'linkGone v1',
  ])
    t.true(events.includes(wanted), `${wanted} in ${events.join(', ')}`);
  t.true(events.indexOf('address 192.0.2.1/32') < events.indexOf('addressGone 192.0.2.1/32'));
});

test('without the right to do so each says EPERM', (t) => {
  t.deepEqual(
    run('setpriv', '--bounding-set=-all', '--inh-caps=-all', process.execPath, program, 'plain'),
    {
      'address as a plain user': 'EPERM',
      'link as a plain user': 'EPERM',
      'raw socket as a plain user': 'EPERM',
    },
  );
});
