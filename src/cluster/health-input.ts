/** The configuration and the known states as the healthcheck process gets them. */
import type {
  Checker,
  CheckTarget,
  CheckUrl,
  HttpCheck,
  RealServer,
  VirtualServer,
} from '../config/keepalived/types.js';
import type {
  BodyPattern,
  CheckerConfig,
  Endpoint,
  HttpUrl,
  ProbeSpec,
  RealServerConfig,
  VirtualServerConfig,
} from '../healthcheck/types.js';
import { getIn } from '../kernel/persistent-map.js';
import { type IndexedVirtualServer, indexOf } from './config-index.js';
import { type Facts, settledConfig } from './facts.js';

interface Context {
  readonly vs: VirtualServer;
  readonly rs: RealServer;
}

const endpoint = ({ rs }: Context, t: CheckTarget): Endpoint => ({
  address: t.connectIp ?? rs.address,
  port: t.connectPort ?? rs.port,
  bindAddress: t.bindto,
  bindPort: t.bindPort,
});

const pattern = (u: CheckUrl): BodyPattern | null =>
  u.regex === null
    ? null
    : {
        source: u.regex,
        options: u.regexOptions,
        mustMatch: !u.regexNoMatch,
        minOffset: u.regexMinOffset,
        maxOffset: u.regexMaxOffset,
      };

/** Host: url, checker, real_server, virtual_server in this order (keepalived.md 4.2). */
const url = (c: Context, check: HttpCheck, u: CheckUrl): HttpUrl => {
  const host = u.virtualhost ?? check.virtualhost ?? c.rs.virtualhost ?? c.vs.virtualhost;
  return {
    path: u.path,
    status: u.statusRanges,
    digest: u.digest,
    pattern: pattern(u),
    host,
    serverName: check.sniName ?? (check.enableSni ? host : null),
  };
};

const probe = (c: Context, check: Checker): ProbeSpec | null => {
  const timeoutMs = check.timing.connectTimeoutMs;
  switch (check.kind) {
    case 'TCP_CHECK':
      return { kind: 'TCP_CHECK', endpoint: endpoint(c, check.target), timeoutMs };
    case 'HTTP_GET':
    case 'SSL_GET':
      return {
        kind: check.kind,
        endpoint: endpoint(c, check.target),
        timeoutMs,
        protocol: check.protocol,
        urls: check.urls.map((u) => url(c, check, u)),
      };
    case 'UDP_CHECK':
      return {
        kind: 'UDP_CHECK',
        endpoint: endpoint(c, check.target),
        timeoutMs,
        payload: check.payload,
        requireReply: check.requireReply,
        minReplyLength: check.minReplyLength,
        maxReplyLength: check.maxReplyLength,
      };
    default:
      return null; // refused by the configuration core, which says so
  }
};

const checker = (c: Context, check: Checker): readonly CheckerConfig[] => {
  const spec = probe(c, check);
  if (spec === null) return [];
  const { delayLoopMs, retry, delayBeforeRetryMs, warmupMs, alpha, logAllFailures } = check.timing;
  return [{ probe: spec, delayLoopMs, retry, delayBeforeRetryMs, warmupMs, alpha, logAllFailures }];
};

/** Checkers follow from the configuration alone and are kept with it. */
const checkers = new WeakMap<RealServer, readonly CheckerConfig[]>();

export const checkersOf = (vs: VirtualServer, rs: RealServer): readonly CheckerConfig[] => {
  const kept = checkers.get(rs);
  if (kept !== undefined) return kept;
  const made = rs.checkers.flatMap((c) => checker({ vs, rs }, c));
  checkers.set(rs, made);
  return made;
};

/**
 * One virtual server with what is known of it now: a process that was restarted goes on from there,
 * and a server of which nothing is known starts as keepalived starts it.
 */
const virtualServer = (
  { health }: Facts,
  x: IndexedVirtualServer,
  suspended: boolean,
): VirtualServerConfig => {
  const { v, id } = x;
  const fact = getIn(health, id);
  return {
    id,
    quorum: v.quorum,
    hysteresis: v.hysteresis,
    alpha: v.alpha,
    quorumHeld: fact?.quorum?.up ?? null,
    suspended,
    realServers: x.servers.map(({ server, name }): RealServerConfig => {
      const known = fact?.servers.get(name);
      return {
        id: name,
        weight: server.weight,
        checkers: checkersOf(v, server),
        held: known === undefined ? null : known.up ? 'up' : 'down',
      };
    }),
  };
};

export interface HealthPlan {
  /** Checks go through the data plane's interfaces; without it they tell nothing about the servers. */
  readonly rest: boolean;
  /** Virtual servers with ha_suspend whose addresses another node has. */
  readonly suspended: ReadonlySet<string>;
}

const noneSuspended: ReadonlySet<string> = new Set();

const suspendedOf = (f: Facts): ReadonlySet<string> => {
  const { virtualServers, routers } = indexOf(settledConfig(f));
  const mayRest = virtualServers.filter(({ v }) => v.haSuspend);
  if (mayRest.length === 0) return noneSuspended;
  const active = new Map<string, boolean>();
  for (const { id, vips } of routers.values())
    for (const { address } of vips)
      active.set(address, active.get(address) === true || f.vrrp.get(id)?.state === 'active');
  const elsewhere = mayRest.filter((x) =>
    x.endpoints.some((e) => active.has(e.address) && active.get(e.address) === false),
  );
  return new Set(elsewhere.map((x) => x.id));
};

const isSameSet = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean =>
  a.size === b.size && [...a].every((x) => b.has(x));

export const healthPlan = (f: Facts, before: HealthPlan | null): HealthPlan => {
  const rest = f.dataplane.state !== 'up';
  const suspended = suspendedOf(f);
  if (before === null || before.rest !== rest) return { rest, suspended };
  return isSameSet(before.suspended, suspended) ? before : { rest, suspended };
};

interface Briefing extends Iterable<VirtualServerConfig> {
  readonly facts: Facts;
  readonly plan: HealthPlan;
  /** A replay prints it. */
  readonly toJSON: () => readonly VirtualServerConfig[];
}

function listed(this: Briefing): readonly VirtualServerConfig[] {
  return [...this];
}

function* briefed(this: Briefing): Generator<VirtualServerConfig> {
  const { facts, plan } = this;
  for (const x of indexOf(settledConfig(facts)).virtualServers)
    yield virtualServer(facts, x, plan.rest || plan.suspended.has(x.id));
}

/**
 * The whole set, with the levels of now; made one by one as it is read. The same functions serve
 * all, so that two briefings of the same facts are equal.
 */
export const healthBriefing = (f: Facts, p: HealthPlan): Iterable<VirtualServerConfig> => {
  const briefing: Briefing = { facts: f, plan: p, [Symbol.iterator]: briefed, toJSON: listed };
  return briefing;
};

/** Virtual servers that ha_suspend lets rest or wakes. */
export const healthChanges = (
  f: Facts,
  before: HealthPlan,
  after: HealthPlan,
): readonly VirtualServerConfig[] =>
  [...new Set([...before.suspended, ...after.suspended])].flatMap((id) => {
    const x = indexOf(settledConfig(f)).virtualServer.get(id);
    const rests = after.suspended.has(id);
    return x === undefined || rests === before.suspended.has(id)
      ? []
      : [virtualServer(f, x, after.rest || rests)];
  });
