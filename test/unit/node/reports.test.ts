import test from 'ava';
import { type StatusMore, statusHead } from '../../../src/api/status.js';
import type { JournalView } from '../../../src/api/views.js';
import { initialFacts } from '../../../src/cluster/facts.js';
import { initialState } from '../../../src/cluster/machine.js';
import { reports } from '../../../src/node/reports.js';
import type { InstanceCounters } from '../../../src/vrrp/messages.js';
import { configOf, service } from '../cluster/fixture.js';

const config = configOf(service(80));
const facts = initialFacts(config);
const id = 'dpdk1.kni 51 inet';
const file = (process: string): JournalView => ({ process, path: process, bytes: 1, error: null });
const counters = {
  advertsReceived: 7,
  authFailures: 3,
  ttlErrors: 0,
  sendErrors: 1,
} as unknown as InstanceCounters;

const fromVrrp = (journalTrouble: string | null) =>
  ({
    type: 'counters',
    instances: { [id]: counters },
    latestTimerMs: 0,
    leaseTimeouts: 0,
    journalTrouble,
  }) as const;

test('the errors of each instance are in the status, without what is normal', (t) => {
  const r = reports();
  r.vrrp(fromVrrp(null));
  const { vrrpCounters, journals, refused } = r.view(facts, []);
  const more: StatusMore = {
    processes: [],
    leases: [],
    journals,
    loop: { longestTurnMs: 0, at: null, over50Ms: 0 },
    configuration: { source: 'files', notKept: null, refused },
    vrrpCounters,
  };
  const head = statusHead({
    state: initialState(config),
    overview: null,
    leaving: [],
    summary: { virtualServers: 0, realServers: 0, quorumLost: 0, out: 0, draining: 0, full: 0 },
    runtime: { commands: 0, shadowed: [] },
    pid: 1,
    version: '1',
    startedAt: 0,
    configLoadedAt: 0,
    configError: null,
    more,
    iso: (ms) => new Date(ms).toISOString(),
  });
  t.deepEqual(head.vrrp[0]?.errors, { authFailures: 3, sendErrors: 1 });
});

test('a refusal is shown with its time until something else is desired', (t) => {
  const r = reports();
  t.is(r.view(facts, []).refused, null);
  r.refused(1000);
  const at = '1970-01-01T00:00:01.000Z';
  t.deepEqual(r.view({ ...facts, refused: 'no room' }, []).refused, { reason: 'no room', at });
  const up = { state: 'up', pid: 1, workers: 1, found: 0, acked: null } as const;
  const wanted = { ...facts, dataplane: { ...up, rejected: 'too many' } };
  t.deepEqual(r.view(wanted, []).refused, { reason: 'too many', at });
  t.is(r.view({ ...facts, dataplane: { ...up, rejected: null } }, []).refused, null);
});

test('a journal that is not written is shown with its reason, until it is written again', (t) => {
  const r = reports();
  const files = ['controller', 'vrrp', 'healthcheck'].map(file);
  const errors = () => r.view(facts, files).journals.map((j) => j.error);
  t.deepEqual(errors(), [null, null, null]);
  r.journal('ENOSPC');
  r.vrrp(fromVrrp('EIO'));
  const checks = { type: 'counters', counters: {} as never, latestTimerMs: 0 } as const;
  r.healthcheck({ ...checks, journalTrouble: 'EROFS' });
  t.deepEqual(errors(), ['ENOSPC', 'EIO', 'EROFS']);
  r.journal(null);
  r.vrrp(fromVrrp(null));
  r.healthcheck({ ...checks, journalTrouble: null });
  t.deepEqual(errors(), [null, null, null]);
});
