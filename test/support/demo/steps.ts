/** The steps of the demo in their order, each with the bound it has to keep. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, failedOutside, longestGap, outageOf, summarise } from '../lab/answers.js';
import type { Capture } from '../lab/capture.js';
import type { KeelsonNode } from '../lab/keelson.js';
import { type Load, startLoad, wallClock } from '../lab/load.js';
import { until } from '../lab/programs.js';
import type { Network } from './network.js';
import { vip, vipPort } from './network.js';
import {
  count,
  type Figure,
  ms,
  type Outcome,
  type Progress,
  percent,
  text,
  unless,
} from './step.js';
import { activeNode, becomesActive, isActive, isUp, other, ready } from './watch.js';

export interface Scene {
  readonly network: Network;
  readonly captures: readonly Capture[];
  readonly progress: Progress;
}

export interface Step {
  readonly name: string;
  readonly title: string;
  readonly run: (scene: Scene) => Promise<Outcome>;
}

/** conf/demo/services.conf: a check is due every delay_loop and may take connect_timeout; the rest is the machine's. */
const outWithinMs = 1000 + 1000 + 250;
const backWithinMs = outWithinMs + 1000;
/** Three missed adverts of 1 s and the skew of the backup's priority (100 of 256), then taking over. */
const crashOutageMs = 4000;
const skewMs = (priority: number): number => ((256 - priority) * 1000) / 256;
const backupPriority = 100;
const betweenRequestsMs = 20;

const load = (scene: Scene, o: { everyMs: number; count: number; timeoutMs?: number }): Load =>
  startLoad(scene.network.lab, 'client', {
    address: vip,
    port: vipPort,
    timeoutMs: o.timeoutMs ?? 500,
    everyMs: o.everyMs,
    count: o.count,
  });

const steady = (scene: Scene): Load => load(scene, { everyMs: betweenRequestsMs, count: 0 });

/** `failed requests 3 (timeout 3)`. */
const failures = (answers: readonly Answer[], name = 'failed requests'): Figure => {
  const s = summarise(answers);
  const kinds = Object.entries(s.errorKinds).map(([kind, n]) => `${kind} ${n}`);
  return count(name, s.errors, kinds.join(', '));
};

const noWrongAnswer = (answers: readonly Answer[]): readonly string[] =>
  answers.filter((a) => a.wrong !== null).map((a) => `wrong answer: ${a.wrong}`);

/** Runs `body` under steady requests that end with it. */
async function underLoad<T>(scene: Scene, body: (l: Load) => Promise<T>): Promise<[T, Load]> {
  const l = steady(scene);
  try {
    await until('a first good answer', () => summarise(l.answers()).good > 10, 5000);
    return [await body(l), l];
  } finally {
    await l.stop();
  }
}

const start: Step = {
  name: 'start',
  title: 'Two nodes start from their keepalived.conf and dpvs.conf',
  run: async (scene) => {
    const begun = performance.now();
    for (const node of scene.network.nodes) node.start();
    const views = await Promise.all(scene.network.nodes.map((n) => ready(scene.network, n)));
    const active = await activeNode(scene.network);
    const took = performance.now() - begun;
    for (const [i, view] of views.entries()) {
      const node = scene.network.nodes[i];
      const vrrp = (await node?.status())?.vrrp[0];
      scene.progress.note(
        `node ${node?.host}: ${vrrp?.state}, priority ${vrrp?.priority}, generation ${view.dataplane.generation}, ${view.dataplane.workers} workers`,
      );
    }
    return { figures: [text('active', active.host), ms('until in service', took)], problems: [] };
  },
};

const spread: Step = {
  name: 'spread',
  title: '600 requests are spread over the three real servers',
  run: async (scene) => {
    const l = load(scene, { everyMs: 4, count: 600, timeoutMs: 3000 });
    await l.done;
    const s = summarise(l.answers());
    const shares = Object.entries(s.perServer);
    return {
      figures: [
        ...shares.map(([server, n]) => count(server, n)),
        count('errors', s.errors),
        { name: 'median', value: Math.round(s.medianMs * 100) / 100, unit: 'ms' },
        { name: 'p99', value: Math.round(s.p99Ms * 100) / 100, unit: 'ms' },
      ],
      problems: [
        ...noWrongAnswer(l.answers()),
        ...unless(s.requests === 600, `${s.requests} requests instead of 600 have ended`),
        ...unless(s.errors === 0, `errors: ${JSON.stringify(s.errorKinds)}`),
        ...unless(shares.length === 3, `${shares.length} servers answered instead of 3`),
        ...unless(
          shares.every(([, n]) => Math.abs(n - 200) <= 20),
          'no even spread by rr',
        ),
      ],
    };
  },
};

const serverDies: Step = {
  name: 'server-dies',
  title: 'A real server is killed: it is taken out',
  run: async (scene) => {
    const server = scene.network.servers[1];
    if (server === undefined) throw new Error('there is no second server');
    const active = await activeNode(scene.network);
    const [killed, l] = await underLoad(scene, async () => {
      const at = wallClock();
      await server.kill();
      scene.progress.note(
        `nginx on ${server.host} killed under ${1000 / betweenRequestsMs} requests/s`,
      );
      await until(
        `${server.host} to be out`,
        async () => {
          const view = await active.status();
          return view !== null && !isUp(view, server.address);
        },
        15_000,
      );
      const out = wallClock();
      await pause(1500);
      return { at, out };
    });
    const outAfter = killed.out - killed.at;
    const later = l.answers().filter((a) => a.begun > killed.out + 100);
    return {
      figures: [
        text('server', server.host),
        ms('out after', outAfter),
        failures(l.answers(), 'failed requests until then'),
        count('requests after', later.length),
      ],
      problems: [
        ...noWrongAnswer(l.answers()),
        ...unless(outAfter <= outWithinMs, `out only after ${Math.round(outAfter)} ms`),
        ...unless(later.length > 0, 'no request was made after it was out'),
        ...unless(summarise(later).errors === 0, 'errors after it was out'),
        ...unless(
          summarise(later).perServer[server.host] === undefined,
          `${server.host} answered though it was killed`,
        ),
      ],
    };
  },
};

const serverReturns: Step = {
  name: 'server-returns',
  title: 'The real server is started again: it is back in',
  run: async (scene) => {
    const server = scene.network.servers[1];
    if (server === undefined) throw new Error('there is no second server');
    const [back, l] = await underLoad(scene, async (running) => {
      const at = wallClock();
      await server.start();
      await until(
        `${server.host} to answer a client`,
        () => running.answers().some((a) => a.begun > at && a.server === server.host),
        15_000,
      );
      const first = running.answers().find((a) => a.begun > at && a.server === server.host);
      await pause(500);
      return (first?.ended ?? wallClock()) - at;
    });
    const s = summarise(l.answers());
    return {
      figures: [
        text('server', server.host),
        ms('serves again after', back),
        count('errors', s.errors),
      ],
      problems: [
        ...noWrongAnswer(l.answers()),
        ...unless(back <= backWithinMs, `back only after ${Math.round(back)} ms`),
        ...unless(s.errors === 0, `errors: ${JSON.stringify(s.errorKinds)}`),
      ],
    };
  },
};

const nodeDies: Step = {
  name: 'node-dies',
  title: 'The active node dies (SIGKILL to all its processes): the standby takes over',
  run: async (scene) => {
    const active = await activeNode(scene.network);
    const standby = other(scene.network, active);
    const [at, l] = await underLoad(scene, async (running) => {
      const killed = await active.crash();
      scene.progress.note(`node ${active.host} killed`);
      await until(
        'an answer by the standby',
        () => outageOf(running.answers(), killed) !== null,
        15_000,
      );
      await becomesActive(standby);
      await pause(1000);
      return killed;
    });
    const gap = outageOf(l.answers(), at);
    const outage = gap?.ms ?? Number.POSITIVE_INFINITY;
    const elsewhere = gap === null ? [] : failedOutside(l.answers(), gap);
    return {
      figures: [text('active now', standby.host), ms('outage', outage), failures(l.answers())],
      problems: [
        ...noWrongAnswer(l.answers()),
        ...unless(outage <= crashOutageMs, `outage of ${Math.round(outage)} ms`),
        ...unless(elsewhere.length === 0, `${elsewhere.length} requests failed outside the outage`),
      ],
    };
  },
};

/** Requests under way while a role changes hands with both nodes alive. */
const lostAtReturn = 5;

/** Starts a node again under load, and waits until the pair has settled with the better node active. */
async function bringBack(scene: Scene, node: KeelsonNode): Promise<Outcome> {
  const [took, l] = await underLoad(scene, async () => {
    const begun = wallClock();
    node.start();
    await ready(scene.network, node);
    const active = node.host === 'a' ? node : await activeNode(scene.network);
    await becomesActive(active);
    const settled = wallClock();
    await pause(2000);
    return { begun, settled };
  });
  const gap = longestGap(l.answers(), took.begun, took.settled + 1500);
  const active = await activeNode(scene.network);
  return {
    figures: [
      text('active now', active.host),
      ms('until settled', took.settled - took.begun),
      ms('longest time without an answer', gap),
      failures(l.answers()),
    ],
    problems: [
      ...noWrongAnswer(l.answers()),
      ...unless(active.host === 'a', 'the better node did not take its role back'),
      ...unless(gap <= 1000, `${Math.round(gap)} ms without an answer`),
      ...unless(
        summarise(l.answers()).errors <= lostAtReturn,
        `${failures(l.answers()).value} requests lost: ${failures(l.answers()).detail}`,
      ),
    ],
  };
}

const nodeReturns: Step = {
  name: 'node-returns',
  title: 'The node comes back and, being the better one, takes its role again',
  run: async (scene) => {
    const gone = scene.network.nodes.find((n) => !n.isRunning());
    if (gone === undefined) throw new Error('no node is missing');
    return bringBack(scene, gone);
  },
};

const nodeStops: Step = {
  name: 'node-stops',
  title: 'The active node is stopped in order (SIGTERM): it yields at once',
  run: async (scene) => {
    const active = await activeNode(scene.network);
    const standby = other(scene.network, active);
    const [at, l] = await underLoad(scene, async () => {
      const told = wallClock();
      await active.stop();
      await becomesActive(standby);
      await pause(1500);
      return told;
    });
    const gap = longestGap(l.answers(), at, wallClock() - 500);
    const limit = skewMs(backupPriority) + 100;
    return {
      figures: [
        text('active now', standby.host),
        ms('outage', gap),
        ms('allowed (skew time + 100 ms)', limit),
        failures(l.answers()),
      ],
      problems: [
        ...noWrongAnswer(l.answers()),
        ...unless(gap <= limit, `outage of ${Math.round(gap)} ms`),
      ],
    };
  },
};

const nodeStartsAgain: Step = {
  name: 'node-starts-again',
  title: 'The stopped node is started again',
  run: nodeReturns.run,
};

/** Far above what an idle node needs, far below a worker that polls. */
const idleLimitPercent = 15;

const idle: Step = {
  name: 'idle',
  title: 'Nobody asks anything: what the nodes cost',
  run: async (scene) => {
    await pause(2000);
    const before = scene.network.nodes.map((n) => n.cpuSeconds());
    const seconds = 5;
    await pause(seconds * 1000);
    const shares = scene.network.nodes.map((n, i) => {
      const used = n.cpuSeconds() - (before[i] ?? 0);
      return { host: n.host, share: (used / seconds) * 100 };
    });
    const views = await Promise.all(scene.network.nodes.map((n) => n.status()));
    return {
      figures: shares.map((s) => percent(`node ${s.host}, of one CPU`, s.share)),
      problems: [
        ...shares.flatMap((s) =>
          unless(s.share <= idleLimitPercent, `node ${s.host} uses ${s.share.toFixed(1)} %`),
        ),
        ...unless(views.filter(isActive).length === 1, 'not exactly one node is active'),
      ],
    };
  },
};

const wire: Step = {
  name: 'wire',
  title: 'tshark looks at every packet that went over both switches',
  run: async (scene) => {
    for (const capture of scene.captures) await capture.stop();
    const verdicts = scene.captures.map((c) => c.judge());
    const complaints = verdicts.flatMap((v) => v.complaints);
    const packets = verdicts.reduce((sum, v) => sum + v.packets, 0);
    return {
      figures: [
        count('packets', packets),
        count('malformed or with a wrong checksum', complaints.length),
      ],
      problems: [...unless(packets > 0, 'nothing was captured'), ...complaints.slice(0, 10)],
    };
  },
};

export const steps: readonly Step[] = [
  start,
  spread,
  serverDies,
  serverReturns,
  nodeDies,
  nodeReturns,
  nodeStops,
  nodeStartsAgain,
  idle,
  wire,
];
