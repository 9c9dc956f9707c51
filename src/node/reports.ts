/**
 * What the status view shows of the processes and nothing is decided from: VRRP counters, journals
 * that cannot be written, and when the data plane last refused a generation.
 */
import type { StatusMore } from '../api/status.js';
import type { JournalView } from '../api/views.js';
import type { Facts } from '../cluster/facts.js';
import type { FromHealthcheck } from '../healthcheck/messages.js';
import type { FromVrrp } from '../vrrp/messages.js';

type Counters<M> = Extract<M, { readonly type: 'counters' }>;
type Shown = Pick<StatusMore, 'journals' | 'vrrpCounters'> & {
  readonly refused: StatusMore['configuration']['refused'];
};

export interface Reports {
  readonly vrrp: (m: Counters<FromVrrp>) => void;
  readonly healthcheck: (m: Counters<FromHealthcheck>) => void;
  /** Why the controller's own journal is not written; null: it is. */
  readonly journal: (trouble: string | null) => void;
  /** The data plane refused a generation. */
  readonly refused: (at: number) => void;
  readonly view: (f: Facts, journals: readonly JournalView[]) => Shown;
}

/** A refusal counts while what was refused is desired, or was taken back and nothing came after. */
const reasonIn = ({ refused, dataplane }: Facts): string | null =>
  refused ?? (dataplane.state === 'up' ? dataplane.rejected : null);

export const reports = (): Reports => {
  let vrrpCounters: StatusMore['vrrpCounters'] = new Map();
  let refusedAt = 0;
  const troubles = new Map<string, string | null>();
  return {
    vrrp: (m) => {
      vrrpCounters = new Map(
        Object.entries(m.instances).map(([id, counters]) => [id, { ...counters }]),
      );
      // A process of an older version reports nothing of its journal.
      troubles.set('vrrp', m.journalTrouble ?? null);
    },
    healthcheck: (m) => void troubles.set('healthcheck', m.journalTrouble ?? null),
    journal: (trouble) => void troubles.set('controller', trouble),
    refused: (at) => {
      refusedAt = at;
    },
    view: (f, journals) => {
      const reason = reasonIn(f);
      return {
        vrrpCounters,
        refused: reason === null ? null : { reason, at: new Date(refusedAt).toISOString() },
        journals: journals.map((j) => ({ ...j, error: troubles.get(j.process) ?? j.error })),
      };
    },
  };
};
