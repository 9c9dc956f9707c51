/** Leases of a snapshot's addresses, as vrrp requests them. */
import type { LeaseState } from '../../../src/dataplane/codec.js';
import type { Dataplane } from '../../../src/dataplane/io.js';
import type { Snapshot } from '../../../src/dataplane/snapshot.js';

/** All leased addresses of the snapshot are held for `ms`; 0 releases them. */
export const holdAll = (
  d: Dataplane,
  snapshot: Snapshot,
  ms: number,
): Promise<readonly LeaseState[]> =>
  d.lease(
    ms,
    snapshot.addresses.filter((a) => a.leased),
  );
