/** What the healthcheck process is told of the configuration. */
import type { Config } from '../config/config.js';
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
import { realServerId } from './facts.js';
import { realServerName, virtualServerId } from './names.js';

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
        flags: u.regexOptions.includes('caseless') ? 'i' : '',
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

const heldBy = (adopted: ReadonlySet<string> | null, id: string): 'up' | 'down' | null => {
  if (adopted === null) return null;
  return adopted.has(id) ? 'up' : 'down';
};

const realServer = (
  vs: VirtualServer,
  rs: RealServer,
  adopted: ReadonlySet<string> | null,
): RealServerConfig => {
  const id = realServerName(rs.address, rs.port, vs.protocol);
  return {
    id,
    weight: rs.weight,
    checkers: rs.checkers.flatMap((c) => checker({ vs, rs }, c)),
    held: heldBy(adopted, realServerId(virtualServerId(vs), id)),
  };
};

export const healthPlan = (
  config: Config,
  adopted: ReadonlySet<string> | null,
): readonly VirtualServerConfig[] =>
  config.keepalived.virtualServers.map((v) => ({
    id: virtualServerId(v),
    quorum: v.quorum,
    hysteresis: v.hysteresis,
    alpha: v.alpha,
    quorumHeld: null,
    suspended: false,
    realServers: v.realServers.map((r) => realServer(v, r, adopted)),
  }));
