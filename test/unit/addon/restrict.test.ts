import { fileURLToPath } from 'node:url';
import test from 'ava';
import { outputOf } from '../../support/programs/programs.js';

const program = fileURLToPath(new URL('../../support/addon/restricted.js', import.meta.url));

test('a restricted process starts no program and no process, and its checks still work', (t) => {
  const out = outputOf([process.execPath, program]);
  t.deepEqual(JSON.parse(out.toString()), {
    spawn: 'EPERM',
    fork: 'EPERM',
    raw: 'EPERM',
    netlink: 'EPERM',
    kill: 'EPERM',
    own: 'done',
    symlink: 'EPERM',
    file: 'done',
    read: 'done',
    checked: 'ok',
    udp: 'done',
    thread: 'runs',
  });
});
