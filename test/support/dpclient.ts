/**
 * Pushes a snapshot to a running keelson-dataplane by hand and shows what it says:
 *
 *   node dist/test/support/dpclient.js SOCKET SNAPSHOT.json [LEASE_MS]
 *
 * The file has the shape of `Snapshot` (src/dataplane/snapshot.ts); what it leaves out is empty. The lease is renewed until SIGINT, which
 * prints counters that are not zero, and the sessions, and ends; the state stays in the data plane.
 */
import { readFileSync } from 'node:fs';
import { stateNames } from '../../src/dataplane/codec.js';
import { connectDataplane } from '../../src/dataplane/io.js';
import { emptySnapshot, type Snapshot } from '../../src/dataplane/snapshot.js';
import { loadAddon } from '../../src/kernel/io/addon.js';
import { monotonicClock } from '../../src/kernel/io/clock.js';
import { holdAll } from './dataplane/leases.js';

const [socketPath, file, lease] = process.argv.slice(2);
const addon = loadAddon();
if (socketPath === undefined || file === undefined || typeof addon === 'string') {
  process.stderr.write(
    typeof addon === 'string' ? `${addon}\n` : 'usage: dpclient SOCKET SNAPSHOT.json [LEASE_MS]\n',
  );
  process.exit(2);
}
const snapshot: Snapshot = {
  ...emptySnapshot,
  ...(JSON.parse(readFileSync(file, 'utf8')) as Partial<Snapshot>),
};
const leaseMs = Number(lease ?? 0);

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const dataplane = connectDataplane({
  addon,
  socketPath,
  clock: monotonicClock,
  pid: process.pid,
  onUp: (h) => say(`up: pid ${h.pid}, ${h.workers} workers, generation ${h.generation}`),
  onAcked: (generation) => say(`acknowledged: generation ${generation}`),
  onRejected: (reason) => say(`rejected: ${reason}`),
  onLost: (reason) => say(`lost: ${reason}`),
  onEvent: (e) => say(`event ${e.type} ${e.dev} ${e.af === 4 ? e.addr : ''} ${e.text}`),
});
dataplane.setDesired(snapshot);
const renew = (): void =>
  void holdAll(dataplane, snapshot, leaseMs).catch((e: unknown) => say(`lease: ${String(e)}`));
if (leaseMs > 0) setInterval(renew, leaseMs / 3);

const notZero = (row: Readonly<Record<string, number>>): string =>
  Object.entries(row)
    .filter(([, n]) => n !== 0)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ');

const end = async (): Promise<void> => {
  const c = dataplane.counters();
  c?.workers.forEach((w, i) => {
    say(`worker ${i}: ${notZero(w)}`);
  });
  if (c !== null) say(`main: ${notZero(c.main)}`);
  for (const [name, row] of Object.entries(c?.ports ?? {})) say(`port ${name}: ${notZero(row)}`);
  for (const r of c?.realServers ?? [])
    say(`real server ${r.address}:${r.port} of ${r.vip}:${r.vport}: ${notZero(r.counters)}`);
  for (const s of await dataplane.sessions(1000))
    say(
      `session ${s.client}:${s.cport} ${s.vip}:${s.vport} ${s.lip}:${s.lport} ${s.rs}:${s.rport} ${stateNames[s.state] ?? s.state}`,
    );
};
process.once('SIGINT', () => {
  void end()
    .catch((e: unknown) => say(String(e)))
    .finally(() => process.exit(0));
});
