import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { type Addon, loadAddon } from '../../../src/kernel/io/addon.js';
import { type Relay, startRelay } from '../../support/dataplane/relay.js';
import { patience } from '../../support/patience.js';
import { forkModule } from '../../support/programs/programs.js';

const loaded = loadAddon();
if (typeof loaded === 'string') throw new Error(loaded);
const addon: Addon = loaded;

const until = async (done: () => boolean, what: string): Promise<void> => {
  for (let i = 0; i < 500; i++) {
    if (done()) return;
    await new Promise((r) => setTimeout(r, 10));
  }
  throw new Error(`waited in vain for ${what}`);
};
const ignore = (): void => {};
const silent = { onClient: ignore, onMessage: ignore, onGone: ignore };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (b: Uint8Array): string => new TextDecoder().decode(b);

/** A server that sends everything back. */
const echo = async (): Promise<Relay> => {
  const relay: Relay = await startRelay({ ...silent, onMessage: (m) => relay.send(m) });
  return relay;
};

test('messages keep their borders and their order, up to 64 KiB', async (t) => {
  const relay = await echo();
  const got: Uint8Array[] = [];
  const handle = addon.seqpacketConnect(relay.path, (m) => got.push(m), ignore);
  const large = new Uint8Array(65_536).map((_, i) => i % 251);
  handle.send(bytes('one'));
  handle.send(large);
  handle.send(bytes('three'));
  await until(() => got.length === 3, 'three answers');
  t.is(text(got[0] ?? new Uint8Array()), 'one');
  t.deepEqual(got[1], large);
  t.is(text(got[2] ?? new Uint8Array()), 'three');
  handle.close();
  await relay.close();
});

test('what a slow peer has no room for waits without blocking and arrives in order', async (t) => {
  const seen: number[] = [];
  const relay = await startRelay({
    ...silent,
    onMessage: (m) => seen.push(new DataView(m.buffer).getUint32(0)),
  });
  relay.read(false);
  const handle = addon.seqpacketConnect(relay.path, ignore, ignore);
  const begun = performance.now();
  for (let i = 0; i < 400; i++) {
    const m = new Uint8Array(60_000);
    new DataView(m.buffer).setUint32(0, i);
    handle.send(m);
  }
  t.true(performance.now() - begun < 1000 * patience(), 'sending does not wait for the peer');
  relay.read(true);
  await until(() => seen.length === 400, 'all messages');
  t.deepEqual(
    seen,
    Array.from({ length: 400 }, (_, i) => i),
  );
  handle.close();
  await relay.close();
});

test('a descriptor that comes along is memory to read, also after the handle is closed', async (t) => {
  const relay: Relay = await startRelay({
    ...silent,
    onMessage: (m) => relay.sendWithMemory(m, bytes('counters of the data plane')),
  });
  const got: (number | null)[] = [];
  const handle = addon.seqpacketConnect(relay.path, (_, fd) => got.push(fd), ignore);
  handle.send(bytes('hello'));
  await until(() => got.length === 1, 'the answer');
  const memory = new Uint8Array(addon.mapReadOnly(got[0] ?? -1, 26));
  handle.close();
  await relay.close();
  t.is(text(memory.slice()), 'counters of the data plane');
});

test('memory smaller than was said is refused, and so is a descriptor that is none', async (t) => {
  const relay: Relay = await startRelay({
    ...silent,
    onMessage: (m) => relay.sendWithMemory(m, bytes('short')),
  });
  const got: (number | null)[] = [];
  const handle = addon.seqpacketConnect(relay.path, (_, fd) => got.push(fd), ignore);
  handle.send(bytes('hello'));
  await until(() => got.length === 1, 'the answer');
  t.throws(() => addon.mapReadOnly(got[0] ?? -1, 4096), { code: 'EINVAL' });
  t.throws(() => addon.mapReadOnly(999_999, 4096), { code: 'EBADF' });
  handle.close();
  await relay.close();
});

test('the end of the connection is told once, after all messages, and closes the handle', async (t) => {
  const told: string[] = [];
  const relay: Relay = await startRelay({
    ...silent,
    onMessage: (m) => {
      relay.send(m);
      relay.send(m);
      relay.drop();
    },
  });
  const handle = addon.seqpacketConnect(
    relay.path,
    (m) => told.push(text(m)),
    (code) => told.push(`closed ${code}`),
  );
  handle.send(bytes('x'));
  await until(() => told.includes('closed null'), 'the end');
  t.deepEqual(told, ['x', 'x', 'closed null']);
  t.throws(() => handle.send(bytes('y')), { name: 'HandleClosedError', code: 'ERR_CLOSED' });
  t.notThrows(() => handle.close());
  await relay.close();
});

test('a closed handle says so and its listeners are silent', async (t) => {
  const relay = await echo();
  const told: string[] = [];
  const handle = addon.seqpacketConnect(
    relay.path,
    (m) => told.push(text(m)),
    (code) => told.push(`closed ${code}`),
  );
  handle.send(bytes('x'));
  handle.close();
  t.throws(() => handle.send(bytes('y')), { name: 'HandleClosedError' });
  t.notThrows(() => handle.close());
  await relay.close();
  await new Promise((r) => setTimeout(r, 50));
  t.deepEqual(told, []);
});

test('a handle may be closed by its own listener', async (t) => {
  const relay = await echo();
  let heard = 0;
  const handle = addon.seqpacketConnect(
    relay.path,
    () => {
      heard++;
      handle.close();
    },
    ignore,
  );
  handle.send(bytes('a'));
  handle.send(bytes('b'));
  await until(() => heard > 0, 'an answer');
  await new Promise((r) => setTimeout(r, 50));
  t.is(heard, 1);
  await relay.close();
});

test('nobody there, a name too long, a message too long: errors with a code', async (t) => {
  t.throws(() => addon.seqpacketConnect('/nonexistent/x.sock', ignore, ignore), { code: 'ENOENT' });
  t.throws(() => addon.seqpacketConnect(`/${'x'.repeat(200)}`, ignore, ignore), {
    code: 'ENAMETOOLONG',
  });
  const relay = await echo();
  const handle = addon.seqpacketConnect(relay.path, ignore, ignore);
  t.throws(() => handle.send(new Uint8Array(64 << 20)), { code: 'EMSGSIZE' });
  handle.close();
  await relay.close();
});

test('arguments of the wrong kind are told by name', (t) => {
  const wrong = addon as unknown as Record<string, (...a: unknown[]) => unknown>;
  const call = (name: string, ...args: unknown[]) => {
    const error = t.throws(() => wrong[name]?.(...args), { instanceOf: TypeError });
    return error?.message;
  };
  t.is(call('seqpacketConnect'), 'path must be a string');
  t.is(call('seqpacketConnect', '/x', 1), 'onMessage must be a function');
  t.is(call('seqpacketConnect', '/x', ignore), 'onClose must be a function');
  t.is(call('mapReadOnly', '3', 1), 'fd must be a whole number');
  t.is(call('mapReadOnly', 3, 1.5), 'size must be a whole number');
  t.is(call('rawSocketOpen', null), 'options must be an object');
  t.is(call('setRealtime', 'high'), 'priority must be a whole number');
  t.is(call('linkSetUp'), 'device must be a string');
});

const raw = {
  protocol: 253, // RFC 3692: for experiments
  device: 'lo',
  mcastGroup: null,
  source: '127.0.0.1',
  ttl: 255,
  tos: 0xc0,
};

test('each missing property of a raw socket is told by name', (t) => {
  for (const name of Object.keys(raw)) {
    const { [name as keyof typeof raw]: _, ...rest } = raw;
    t.throws(() => addon.rawSocketOpen(rest as typeof raw), {
      instanceOf: TypeError,
      message: `property missing: ${name}`,
    });
  }
});

test('each missing property of an address and of a route is told by name', (t) => {
  const address = { device: 'lo', address: '127.9.9.9', prefixLength: 32 };
  const route = {
    device: 'lo',
    destination: '127.9.9.0',
    prefixLength: 24,
    gateway: null,
    source: null,
    metric: 0,
  };
  const without = <T extends object>(o: T, name: string): T =>
    Object.fromEntries(Object.entries(o).filter(([k]) => k !== name)) as T;
  for (const name of Object.keys(address))
    t.throws(() => addon.addressAdd(without(address, name)), {
      message: `property missing: ${name}`,
    });
  for (const name of Object.keys(route))
    t.throws(() => addon.routeAdd(without(route, name)), { message: `property missing: ${name}` });
});

const root = process.getuid?.() === 0;

test('a raw socket sends and hears whole packets on its device', async (t) => {
  if (!root) {
    t.throws(() => addon.rawSocketOpen(raw), { code: 'EPERM' });
    return;
  }
  const a = addon.rawSocketOpen(raw);
  const heard: Uint8Array[] = [];
  a.onMessage((p) => heard.push(p));
  a.send('127.0.0.1', bytes('keelson'));
  await until(() => heard.length > 0, 'the packet');
  const packet = heard[0] ?? new Uint8Array();
  t.is(packet[0], 0x45);
  t.is(packet[1], 0xc0);
  t.is(packet[8], 255);
  t.is(text(packet.subarray(20)), 'keelson');
  t.throws(() => a.onMessage(ignore), { message: 'somebody listens already' });
  t.throws(() => a.send('not an address', bytes('x')), { code: 'EINVAL' });
  a.close();
  t.throws(() => a.send('127.0.0.1', bytes('x')), { name: 'HandleClosedError' });
  t.throws(() => a.onMessage(ignore), { name: 'HandleClosedError' });
  t.throws(() => addon.rawSocketOpen({ ...raw, device: 'nosuch0' }), { code: 'ENODEV' });
  t.throws(() => addon.rawSocketOpen({ ...raw, mcastGroup: 'x' }), { code: 'EINVAL' });
});

test('links and addresses as the kernel has them', (t) => {
  const lo = addon.linkDump().find((l) => l.name === 'lo');
  t.truthy(lo);
  t.is(lo?.type, 'link');
  t.is(lo?.mac, '00:00:00:00:00:00');
  t.is(typeof lo?.running, 'boolean');
  if (lo?.up) {
    const own = addon.addressDump().filter((a) => a.index === lo.index);
    t.true(own.some((a) => a.address === '127.0.0.1' && a.prefixLength === 8 && a.family === 4));
  }
  t.throws(() => addon.linkSetUp('nosuch0'), { code: 'ENODEV' });
  t.throws(() => addon.addressDel({ device: 'nosuch0', address: '192.0.2.1', prefixLength: 32 }), {
    code: 'ENODEV',
  });
});

test('an interface monitor opens, closes, and closes twice', (t) => {
  const m = addon.netlinkMonitor(ignore, ignore);
  t.notThrows(() => {
    m.close();
    m.close();
  });
});

test('timer slack and parent death signal are taken, nonsense is refused', (t) => {
  t.notThrows(() => addon.setTimerSlack(50_000));
  t.notThrows(() => addon.setTimerSlack(0));
  t.notThrows(() => addon.setParentDeathSignal(0));
  t.throws(() => addon.setParentDeathSignal(4711), { code: 'EINVAL' });
  t.throws(() => addon.setRealtime(1000), { code: 'EINVAL' });
});

/** The compiled file beside this one: workers and children need a path. */
const holder = fileURLToPath(new URL('./holder.js', import.meta.url));

test('a worker that ends with open handles does not hang', async (t) => {
  const relay = await echo();
  for (const how of ['exit', 'terminate'] as const) {
    const worker = new Worker(holder, { workerData: { path: relay.path, how } });
    await new Promise((r) => worker.once('message', r));
    const ended = new Promise<number>((r) => worker.once('exit', r));
    if (how === 'terminate') void worker.terminate();
    else worker.postMessage('exit');
    t.is(typeof (await ended), 'number');
  }
  await relay.close();
});

test('a process that exits with open handles does not hang; one that closes them ends by itself', async (t) => {
  for (const how of ['exit', 'close'] as const) {
    const relay = await echo();
    const child: ChildProcess = forkModule(holder, [relay.path, how]);
    const code = await new Promise((r) => child.once('exit', r));
    t.is(code, how === 'exit' ? 7 : 0);
    await relay.close();
  }
});

test('an exception of a listener reaches the process, it is not lost', async (t) => {
  const relay = await echo();
  const child = forkModule(holder, [relay.path, 'throw'], { stdio: 'pipe' });
  let said = '';
  child.stderr?.on('data', (d: Buffer) => {
    said += d.toString();
  });
  const code = await new Promise((r) => child.once('exit', r));
  t.is(code, 1);
  t.regex(said, /thrown by a listener/);
  await relay.close();
});
