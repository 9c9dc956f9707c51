/**
 * Keelson and Debian's keepalived as the two nodes of a pair: whoever is active goes away, by crash and by an orderly
 * stop, and the other takes over; the better one comes back and preempts. Needs root. Times are taken on the wire.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { type InstanceConfig, instanceDefaults } from '../../../src/vrrp/messages.js';
import { patience } from '../../support/patience.js';
import { createLab, type Lab, type Router, type Running, until } from '../../support/vrrp/lab.js';

const vip = '10.9.0.100';

interface Variant {
  readonly name: string;
  readonly version: 2 | 3;
  readonly advertMs: number;
  readonly unicast: boolean;
  readonly password: string | null;
}

const variants: readonly Variant[] = [
  { name: 'v2 multicast', version: 2, advertMs: 1000, unicast: false, password: null },
  { name: 'v2 unicast, password', version: 2, advertMs: 1000, unicast: true, password: 's3cret' },
  { name: 'v3 multicast', version: 3, advertMs: 1000, unicast: false, password: null },
  { name: 'v3 multicast, 0.1 s', version: 3, advertMs: 100, unicast: false, password: null },
  { name: 'v3 unicast, 0.1 s', version: 3, advertMs: 100, unicast: true, password: null },
];

interface Node {
  readonly router: Router;
  readonly priority: number;
  readonly start: () => Running;
}

const keepalivedConfig = (v: Variant, me: Router, peer: Router, priority: number): string =>
  `vrrp_instance V {
  interface eth0
  version ${v.version}
  virtual_router_id 51
  priority ${priority}
  advert_int ${v.advertMs / 1000}
  ${v.password === null ? '' : `authentication {\n auth_type PASS\n auth_pass ${v.password}\n }`}
  ${v.unicast ? `unicast_src_ip ${me.address}\n unicast_peer {\n ${peer.address}\n }` : ''}
  virtual_ipaddress {
    ${vip}
  }
}
`;

const keelsonConfig = (v: Variant, peer: Router, priority: number): InstanceConfig => ({
  ...instanceDefaults,
  name: 'V',
  interface: 'eth0',
  vrid: 51,
  version: v.version,
  advertMs: v.advertMs,
  priority,
  addresses: [vip],
  unicastPeers: v.unicast ? [peer.address] : [],
  authentication: v.password === null ? { type: 'none' } : { type: 'pass', password: v.password },
});

/** Looks less often than `until` does: several pairs are watched at once, each look is a program. */
const slowly = (check: () => boolean): (() => boolean) => {
  let next = 0;
  return () => {
    if (performance.now() < next) return false;
    next = performance.now() + 50;
    return check();
  };
};

const holds = (lab: Lab, node: Node): Promise<number> =>
  until(
    `${node.router.namespace} to hold ${vip}`,
    slowly(() => lab.has(node.router, vip)),
    10_000,
  );

const yields = (lab: Lab, node: Node): Promise<number> =>
  until(
    `${node.router.namespace} to give up ${vip}`,
    slowly(() => !lab.has(node.router, vip)),
    10_000,
  );

/** Never early; a busy machine may be late. */
const isOnTime = (took: number, due: number): boolean =>
  took > due - 100 && took < due + 100 * patience();

interface Takeover {
  readonly sinceEvent: number;
  /** Since the last advert of the other one. */
  readonly sinceLast: number;
  readonly last: { readonly priority: number };
}

/** When the first advert of `node` after `from` was on the wire, and the last one of the other before it. */
function takeover(lab: Lab, node: Node, other: Node, from: number): Takeover {
  const adverts = lab.adverts();
  const first = adverts.find((a) => a.at > from && a.source === node.router.address);
  const last = adverts
    .filter((a) => a.source === other.router.address && a.at < (first?.at ?? 0))
    .at(-1);
  if (first === undefined || last === undefined) throw new Error('no takeover in the capture');
  return { sinceEvent: first.at - from, sinceLast: first.at - last.at, last };
}

interface Course {
  readonly crash: Takeover;
  readonly stop: Takeover;
  readonly highPriority: number;
  /** By RFC: from the last advert of one that crashed, and from priority 0. */
  readonly down: number;
  readonly skew: number;
  readonly complaints: string;
}

let labs = 0;

async function play(v: Variant, better: 'keelson' | 'keepalived'): Promise<Course> {
  const number = ++labs;
  const lab = createLab(`take${number}`);
  try {
    const one = lab.router('a');
    const two = lab.router('b');
    const keelson = (router: Router, peer: Router, priority: number): Node => ({
      router,
      priority,
      start: () => lab.keelson(router, [keelsonConfig(v, peer, priority)]),
    });
    const keepalived = (router: Router, peer: Router, priority: number): Node => ({
      router,
      priority,
      start: () => lab.keepalived(router, keepalivedConfig(v, router, peer, priority)),
    });
    const [high, low] =
      better === 'keelson'
        ? [keelson(one, two, 150), keepalived(two, one, 100)]
        : [keepalived(one, two, 150), keelson(two, one, 100)];
    const skew = ((256 - low.priority) / 256) * (v.version === 2 ? 1000 : v.advertMs);
    const down = 3 * v.advertMs + skew;

    await lab.capture();
    const lowRunning = low.start();
    await holds(lab, low);
    let highRunning = high.start();
    await holds(lab, high);
    await yields(lab, low);

    await sleep(v.advertMs * 1.5);
    const killedAt = Date.now();
    await highRunning.kill('SIGKILL');
    await holds(lab, low);
    lab.dropVip(high.router, vip);

    highRunning = high.start();
    await holds(lab, high);
    await yields(lab, low);
    await sleep(v.advertMs * 1.5);
    const stoppedAt = Date.now();
    await highRunning.kill('SIGTERM');
    await yields(lab, high);
    await holds(lab, low);
    await lowRunning.kill('SIGTERM');
    await yields(lab, low);
    await lab.stopCapture();

    return {
      crash: takeover(lab, low, high, killedAt),
      stop: takeover(lab, low, high, stoppedAt),
      highPriority: high.priority,
      down,
      skew,
      complaints: lab.complaints(),
    };
  } finally {
    await lab.close();
  }
}

/** Pairs that mostly wait run side by side; those that count milliseconds run alone. */
const courses: Record<string, Promise<Course>> = {};
const nameOf = (v: Variant, better: string): string => `${better} is better: ${v.name}`;
const both = ['keelson', 'keepalived'] as const;

test.before((t) => {
  t.timeout(600_000 * patience());
  for (const v of variants.filter((x) => x.advertMs >= 1000))
    for (const better of both) {
      const course = play(v, better);
      // Looked at by its own test; until then a failure is nobody's.
      course.catch(() => undefined);
      courses[nameOf(v, better)] = course;
    }
});

test.after.always(() => Promise.allSettled(Object.values(courses)));

for (const v of variants)
  for (const better of both)
    test.serial(`${better} is better and comes and goes: ${v.name}`, async (t) => {
      t.timeout(120_000 * patience());
      const { crash, stop, down, skew, ...course } = await (courses[nameOf(v, better)] ??
        play(v, better));
      t.log(
        `SIGKILL: ${crash.sinceLast.toFixed(0)} ms after the last advert (theory ${down.toFixed(0)})`,
        `SIGTERM: ${stop.sinceLast.toFixed(0)} ms after priority 0 (theory ${skew.toFixed(0)})`,
      );
      t.is(crash.last.priority, course.highPriority, 'a crash says no goodbye');
      t.true(isOnTime(crash.sinceLast, down), `takeover after ${crash.sinceLast} ms`);
      t.is(stop.last.priority, 0, 'an orderly stop sends priority 0');
      t.true(isOnTime(stop.sinceLast, skew), `takeover after ${stop.sinceLast} ms`);
      t.is(course.complaints, '');
    });
