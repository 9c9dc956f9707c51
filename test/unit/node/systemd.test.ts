import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { capabilitiesOf } from '../../../src/node/privileges.js';
import { roles } from '../../../src/node/roles.js';
import { defaultRunDir, runDir } from '../../../src/node/run-dir.js';

const file = fileURLToPath(new URL('../../../../conf/systemd/keelson.service', import.meta.url));

/** `Section.Key` -> value; a line that is none of a unit file throws. */
const unit = (): ReadonlyMap<string, string> => {
  const values = new Map<string, string>();
  let section = '';
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const head = /^\[(Unit|Service|Install)\]$/.exec(line);
    const pair = /^([A-Z][A-Za-z]+)=(.+)$/.exec(line);
    if (head?.[1] !== undefined) section = head[1];
    else if (pair?.[1] !== undefined && section !== '')
      values.set(`${section}.${pair[1]}`, pair[2] ?? '');
    else throw new Error(`not of a unit file: ${line}`);
  }
  return values;
};

test('the unit stops the supervisor alone, and starts it again whenever it ends', (t) => {
  const u = unit();
  t.is(u.get('Service.KillMode'), 'process');
  t.is(u.get('Service.Restart'), 'always');
  t.is(u.get('Unit.StartLimitIntervalSec'), '0');
  t.is(u.get('Service.ExecReload'), '/bin/kill -HUP $MAINPID');
  t.is(u.get('Service.RuntimeDirectoryPreserve'), 'yes');
  t.is(u.get('Service.RuntimeDirectoryMode'), '0711');
  t.true((u.get('Service.ExecStart') ?? '').includes(`--run-dir ${defaultRunDir}`));
  // ExecStop would run when the supervisor dies, and take the node with it.
  t.false(u.has('Service.ExecStop'));
});

test('the unit leaves the supervisor every capability that a process needs', (t) => {
  const bounding = new Set((unit().get('Service.CapabilityBoundingSet') ?? '').split(' '));
  for (const name of ['dataplane', 'vrrp', 'healthcheck', 'controller'] as const)
    for (const c of capabilitiesOf(name)) t.true(bounding.has(`CAP_${c.toUpperCase()}`), c);
  for (const c of ['SETUID', 'SETGID', 'SETPCAP', 'CHOWN', 'KILL', 'DAC_READ_SEARCH'])
    t.true(bounding.has(`CAP_${c}`), c);
});

test('the unit waits longer for the stop than all limits of the processes together', (t) => {
  const rows = roles({
    runDir: runDir('/run/keelson'),
    log: { level: 'info', format: 'json', file: null },
    keepalivedPath: '',
    dpvsPath: '',
    dataplaneProgram: '',
    dataplaneArgs: [],
  });
  const limits = rows.reduce((sum, r) => sum + r.limits.stopMs, 0);
  t.true(Number(unit().get('Service.TimeoutStopSec')) * 1000 > limits);
});
