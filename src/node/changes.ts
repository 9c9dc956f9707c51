/**
 * What a reload has changed, a line each, as `keelson reload` prints it: `+ name` came, `- name`
 * went, `~ name` differs. Services are compared as they are configured, so a change of a server that
 * is down counts as well. The texts of few services are made in one turn of the event loop.
 */
import { nextTurn } from '../api/stream.js';
import { type IndexedVirtualServer, indexOf } from '../cluster/config-index.js';
import type { State } from '../cluster/machine.js';
import { serviceName } from '../cluster/runtime/identity.js';

/** Real servers whose texts are made in one turn. */
const perTurn = 500;

/** Where something stands in its file is no part of what it configures. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (key, v) => (key === 'place' ? undefined : v));

/** One service without its checks. */
const serviceText = ({ v, localAddresses, match }: IndexedVirtualServer): string => {
  const { target: _, virtualhost: _host, realServers, ...rest } = v;
  const servers = realServers.map(({ checkers: _c, virtualhost: _v, ...r }) => r);
  return textOf([rest, servers, localAddresses, match]);
};

const checksText = ({ v }: IndexedVirtualServer): string =>
  textOf(v.realServers.map((r) => [r.address, r.port, r.virtualhost, r.checkers, v.virtualhost]));

type Services = ReadonlyMap<string, IndexedVirtualServer>;

/** By name: one for each endpoint. */
const servicesIn = (s: State): Services =>
  new Map(
    indexOf(s.facts.config).virtualServers.flatMap((x) =>
      x.endpoints.map(({ address, port }) => {
        const identity = { protocol: x.v.protocol, address, port, match: x.match };
        return [serviceName(identity), x] as const;
      }),
    ),
  );

interface Compared {
  readonly lines: readonly string[];
  readonly sameChecks: boolean;
}

const compareServices = async (
  before: Services,
  after: Services,
  turn: () => Promise<void>,
): Promise<Compared> => {
  const changed: string[] = [];
  let sameChecks = before.size === after.size;
  let looked = 0;
  for (const [name, x] of after) {
    const old = before.get(name);
    if (old === undefined) sameChecks = false;
    if (old === undefined || old.v === x.v) continue;
    looked += 1 + x.v.realServers.length;
    if (serviceText(old) !== serviceText(x)) changed.push(`~ ${name}`);
    sameChecks = sameChecks && checksText(old) === checksText(x);
    if (looked < perTurn) continue;
    looked = 0;
    await turn();
  }
  const gone = [...before.keys()].filter((name) => !after.has(name)).map((name) => `- ${name}`);
  const came = [...after.keys()].filter((name) => !before.has(name)).map((name) => `+ ${name}`);
  return { lines: [...gone, ...came, ...changed], sameChecks };
};

/** Texts by name. */
type Parts = ReadonlyMap<string, string>;

const instances = (s: State): Parts =>
  new Map(
    s.facts.config.keepalived.vrrpInstances.map((i) => [`vrrp_instance ${i.name}`, textOf(i)]),
  );

const others = (s: State): Parts => {
  const { keepalived, dpvs } = s.facts.config;
  const { vrrpInstances: _, virtualServers: _v, ...rest } = keepalived;
  return new Map([
    ['addresses, routes, groups and global_defs', textOf(rest)],
    [
      'timeouts and parameters of dpvs.conf',
      textOf([s.plan?.snapshot.params ?? {}, dpvs.vipLeaseMs, dpvs.expireTemplate]),
    ],
  ]);
};

const compare = (before: Parts, after: Parts): readonly string[] => [
  ...[...before.keys()].filter((name) => !after.has(name)).map((name) => `- ${name}`),
  ...[...after.keys()].filter((name) => !before.has(name)).map((name) => `+ ${name}`),
  ...[...after]
    .filter(([name, text]) => (before.get(name) ?? text) !== text)
    .map(([name]) => `~ ${name}`),
];

export const changesBetween = async (
  before: State,
  after: State,
  turn: () => Promise<void> = nextTurn,
): Promise<readonly string[]> => {
  const services = await compareServices(servicesIn(before), servicesIn(after), turn);
  await turn();
  return [
    ...services.lines,
    ...compare(instances(before), instances(after)),
    ...(services.sameChecks ? [] : ['~ health checks']),
    ...compare(others(before), others(after)),
  ];
};
