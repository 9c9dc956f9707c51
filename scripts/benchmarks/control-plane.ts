/**
 * What the controller's decisions cost: loading, the first plan, differences and messages, one report
 * of health, one command, a start with a report for every server. Prints milliseconds of CPU, because
 * a busy machine makes the clock useless; `--json` gives the same as JSON.
 *
 *   npm run bench -- control-plane [--json] [--only 1000x20]
 */

import type { Effect } from '../../src/cluster/diff.js';
import type { Input } from '../../src/cluster/facts.js';
import { type ClusterInput, cluster, initialState, type State } from '../../src/cluster/machine.js';
import { applyCommands } from '../../src/cluster/runtime/apply.js';
import { emptyRuntime } from '../../src/cluster/runtime/types.js';
import { inTurns, warming } from '../../src/cluster/warm.js';
import type { Config } from '../../src/config/config.js';
import { loadConfig } from '../../src/config/load.js';
import { generationMessages } from '../../src/dataplane/codec.js';
import { diff, opsBetween } from '../../src/dataplane/diff.js';
import { digest, digestText, emptySnapshot, type Snapshot } from '../../src/dataplane/snapshot.js';
import { statePages } from '../../src/healthcheck/pages.js';
import { drive } from '../../src/kernel/driver.js';
import { monotonicClock } from '../../src/kernel/io/clock.js';
import { millis } from '../../src/kernel/machine.js';
import { emptyMap } from '../../src/kernel/persistent-map.js';

interface Size {
  readonly services: number;
  readonly servers: number;
}

const sizes: readonly Size[] = [
  { services: 100, servers: 10 },
  { services: 1000, servers: 20 },
  { services: 10_000, servers: 10 },
];
const nameOf = ({ services, servers }: Size): string => `${services}x${servers}`;

const dpvs = `
netif_defs {
  <init> device dpdk0 { devargs "net_null0"
  }
  <init> device dpdk1 { devargs "net_null1"
  }
}
worker_defs {
  <init> worker cpu0 { type master
    cpu_id 0
  }
  <init> worker cpu1 { type slave
    cpu_id 1
    port dpdk0 { rx_queue_ids 0
    }
    port dpdk1 { rx_queue_ids 0
    }
  }
}
`;
const vips = Array.from({ length: 10 }, (_, i) => `198.51.100.${i + 1}`);

const serverLines = (v: number, n: number): readonly string[] =>
  Array.from(
    { length: n },
    (_, r) =>
      `real_server 10.${10 + (v >> 8)}.${v & 255}.${r + 1} 80 {\n weight 1\n TCP_CHECK {\n }\n }`,
  );

const keepalived = ({ services, servers }: Size): string =>
  [
    'local_address_group lips {\n 10.1.0.200-203 dpdk0\n}',
    'vrrp_instance wan {\n interface dpdk1.kni\n dpdk_interface dpdk1\n virtual_router_id 51',
    ' priority 150\n advert_int 1\n virtual_ipaddress {',
    ...vips.map((a) => `  ${a}/32`),
    ' }\n}',
    ...Array.from({ length: services }, (_, v) =>
      [
        `virtual_server ${vips[v % vips.length]} ${1000 + Math.floor(v / vips.length)} {`,
        ' lb_algo rr\n lb_kind FNAT\n protocol TCP\n laddr_group_name lips\n delay_loop 5',
        ...serverLines(v, servers),
        '}',
      ].join('\n'),
    ),
  ].join('\n');

const configOf = (size: Size): Config => {
  const files = new Map([
    ['/k', `${keepalived(size)}\n`],
    ['/d', dpvs],
  ]);
  const { config } = loadConfig(
    {
      read: (path) => {
        const text = files.get(path);
        return text === undefined ? { ok: false, error: 'no such file' } : { ok: true, text };
      },
      glob: () => [],
    },
    { keepalivedPath: '/k', dpvsPath: '/d', hostName: 'bench' },
  );
  if (config === null) throw new Error('the configuration of the benchmark has errors');
  return config;
};

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

type Row = Record<string, number>;

/** Milliseconds of CPU of one run, to two places. */
const timed = <T>(row: Row, name: string, run: () => T, runs = 1): T => {
  const begun = cpuMs();
  let result = run();
  for (let i = 1; i < runs; i++) result = run();
  row[name] = Math.round(((cpuMs() - begun) / runs) * 100) / 100;
  return result;
};

const vsId = (i: number): string =>
  `[${vips[i % vips.length]}]:tcp:${1000 + Math.floor(i / vips.length)}`;
const level = (v: number, r: number, up: boolean) => ({
  vs: vsId(v),
  rs: `[10.${10 + (v >> 8)}.${v & 255}.${r + 1}]:tcp:80`,
  up,
  delta: 0,
  reason: up ? 'connected' : 'connection refused',
  since: 1,
});
const connected = (peer: 'healthcheck' | 'vrrp'): Input => ({ type: 'connected', peer, at: 1 });
const dataplaneUp: Input = {
  type: 'dataplaneUp',
  pid: 1,
  workers: 1,
  bootId: 'a',
  generation: 0,
  adopted: null,
};

/** Every step by itself, on a machine that is stepped by hand. */
const steps = (row: Row, config: Config): void => {
  let state: State = initialState(config);
  let wanted: Snapshot = emptySnapshot;
  const step = (input: ClusterInput): readonly Effect[] => {
    const [next, effects] = cluster.step(state, input, millis(0));
    state = next;
    for (const e of effects) if (e.type === 'setDesired') wanted = e.snapshot;
    return effects;
  };
  const acked = (generation: number): ClusterInput => ({
    type: 'dataplaneAcked',
    generation,
    digest: digestText(wanted),
  });
  timed(row, 'first plan', () => step({ type: 'start' }));
  step(dataplaneUp);
  timed(row, 'acknowledged', () => step(acked(1)));
  const ops = timed(row, 'diff from empty', () => diff(emptySnapshot, wanted));
  timed(row, 'encode', () => {
    const g = { base: 0n, generation: 1n, digest: digest(wanted) };
    return [...generationMessages(1, g, ops)].length;
  });
  let up = true;
  let generation = 1;
  const report = (): void => {
    up = !up;
    const before = wanted;
    const message = {
      type: 'states',
      whole: false,
      more: false,
      realServers: [level(1, 1, up)],
      virtualServers: [],
    } as const;
    step({ type: 'healthcheck', message });
    const g = { base: BigInt(generation), generation: 0n, digest: digest(wanted) };
    for (const _ of generationMessages(1, g, opsBetween(before, wanted)));
    generation += 1;
    step(acked(generation));
  };
  timed(row, 'one health report', report, 100);
};

/** One command where as many services were set by commands before. */
const commands = (row: Row, { services, servers }: Size): void => {
  const empty = configOf({ services: 0, servers: 0 });
  const service = (i: number) => ({
    protocol: 'TCP',
    address: `203.0.113.${1 + (i % 250)}`,
    port: 1000 + Math.floor(i / 250),
    match: null,
  });
  const add = (i: number) => [
    { op: 'service.add', service: service(i), set: {} },
    ...Array.from({ length: servers }, (_, r) => ({
      op: 'server.add',
      service: service(i),
      server: { address: `10.9.0.${r + 1}`, port: 80 },
      set: { forwarding: 'FNAT' },
    })),
  ];
  let state: State = initialState(empty);
  const step = (input: ClusterInput): void => {
    [state] = cluster.step(state, input, millis(0));
  };
  step({ type: 'start' });
  step(dataplaneUp);
  let runtime = emptyRuntime;
  const run = (list: readonly unknown[]): void => {
    const before = state.plan?.snapshot ?? emptySnapshot;
    const r = applyCommands(empty, runtime, list);
    if (!r.ok) throw new Error(r.error.reason);
    runtime = r.value;
    step({ type: 'runtime', runtime });
    const wanted = state.plan?.snapshot ?? emptySnapshot;
    const g = { base: 1n, generation: 2n, digest: digest(wanted) };
    for (const _ of generationMessages(1, g, opsBetween(before, wanted)));
    step({ type: 'dataplaneAcked', generation: 2, digest: digestText(wanted) });
  };
  timed(row, 'commands, all at once', () =>
    run(Array.from({ length: services }, (_, i) => add(i)).flat()),
  );
  let next = services;
  timed(row, 'one command', () => run(add(next++).slice(0, 1)), 50);
};

/** A start: the peers are connected, each server is reported once, a data plane takes its time. */
const start = (row: Row, config: Config, size: Size): Promise<void> =>
  new Promise((resolve) => {
    let generations = 0;
    let held: Snapshot = emptySnapshot;
    let desired: Snapshot | null = null;
    let busy = false;
    let longest = 0;
    let last = cpuMs();
    let isDone = false;
    const watch = (): void => {
      const now = cpuMs();
      longest = Math.max(longest, now - last);
      last = now;
      if (!isDone) setImmediate(watch);
    };
    const begun = cpuMs();
    const driver = drive<State, ClusterInput, Effect>({
      machine: cluster,
      initial: initialState(config),
      clock: monotonicClock,
      perform: (e) => {
        if (e.type !== 'setDesired') return;
        desired = e.snapshot;
        commit();
      },
      join: (inputs) => ({ type: 'batch', inputs: inputs as readonly Input[] }),
    });
    /** As dataplane/io.ts: four messages a turn, one generation in flight. */
    const commit = (): void => {
      if (busy || desired === null) return;
      const to = desired;
      desired = null;
      busy = true;
      generations += 1;
      const g = { base: 0n, generation: BigInt(generations), digest: digest(to) };
      const messages = generationMessages(1, g, opsBetween(held, to));
      const piece = (): void => {
        let more = true;
        for (let i = 0; i < 4 && more; i++) more = messages.next().done !== true;
        if (more) setImmediate(piece);
        else finish();
      };
      const finish = (): void => {
        held = to;
        busy = false;
        driver.feed({
          type: 'dataplaneAcked',
          generation: generations,
          digest: digestText(to),
        });
        commit();
        if (reported && !busy) end();
      };
      setImmediate(piece);
    };
    let reported = false;
    const end = (): void => {
      if (isDone) return;
      isDone = true;
      row['start, all of it'] = Math.round(cpuMs() - begun);
      row['start, generations'] = generations;
      row['longest turn'] = Math.round(longest);
      row['rss MB'] = Math.round(process.memoryUsage.rss() / 1e6);
      resolve();
    };
    watch();
    const begin = (): void => {
      driver.feed({ type: 'start' });
      driver.feed(dataplaneUp);
      driver.later(connected('healthcheck'));
      page();
    };
    const levels = Array.from({ length: size.services }, (_, v) =>
      // one in a hundred is down
      Array.from({ length: size.servers }, (_, r) => level(v, r, (v * size.servers + r) % 100 > 0)),
    ).flat();
    const pages = statePages(true, levels, []);
    const page = (): void => {
      const next = pages.next();
      if (next.done === true) {
        reported = true;
        setImmediate(() => (busy ? undefined : end()));
        return;
      }
      driver.later({ type: 'healthcheck', message: next.value });
      setImmediate(page);
    };
    void inTurns(warming(config, { health: emptyMap }), cpuMs).then(begin);
  });

const measure = async (size: Size): Promise<Row> => {
  const row: Row = {};
  const config = timed(row, 'load', () => configOf(size));
  steps(row, config);
  commands(row, size);
  await start(row, configOf(size), size);
  return row;
};

const args = process.argv.slice(2);
const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
const results: Record<string, Row> = {};
for (const size of sizes)
  if (only === undefined || only === nameOf(size)) results[nameOf(size)] = await measure(size);

if (args.includes('--json')) process.stdout.write(`${JSON.stringify(results)}\n`);
else {
  const names = Object.keys(results);
  const rows = Object.keys(results[names[0] ?? ''] ?? {});
  const line = (first: string, cells: readonly string[]): string =>
    `${first.padEnd(24)}${cells.map((c) => c.padStart(12)).join('')}\n`;
  process.stdout.write(line('ms of CPU', names));
  for (const r of rows)
    process.stdout.write(
      line(
        r,
        names.map((n) => String(results[n]?.[r] ?? '-')),
      ),
    );
}
