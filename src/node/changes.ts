/** What a reload has changed, a line each, as `keelson reload` prints it: `+ name` came, `- name` went, `~ name` is another than it was. Pure. */
import type { State } from '../cluster/machine.js';
import { serviceName } from '../cluster/runtime/identity.js';

/** Texts by name: the same when nothing of it has changed. */
type Parts = ReadonlyMap<string, string>;

/** Where something stands in its file is no part of what it says. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (key, v) => (key === 'place' ? undefined : v));

const services = (s: State): Parts =>
  new Map((s.plan?.snapshot.services ?? []).map((v) => [serviceName(v), textOf(v)]));

const instances = (s: State): Parts =>
  new Map(
    s.facts.config.keepalived.vrrpInstances.map((i) => [`vrrp_instance ${i.name}`, textOf(i)]),
  );

const others = (s: State): Parts => {
  const { keepalived, dpvs } = s.facts.config;
  const { vrrpInstances: _, virtualServers, ...rest } = keepalived;
  const checks = virtualServers.map((v) =>
    v.realServers.map((r) => [r.address, r.port, r.checkers]),
  );
  return new Map([
    ['health checks', textOf(checks)],
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

export const changesBetween = (before: State, after: State): readonly string[] => [
  ...compare(services(before), services(after)),
  ...compare(instances(before), instances(after)),
  ...compare(others(before), others(after)),
];
