/**
 * Lease requests of one turn of the event loop, as few messages as possible: 255 virtual routers that
 * become active together are one message. Releases precede renewals, so that an address which moved
 * from one instance to another ends leased.
 */
import type { RouterId } from './identity.js';
import { type LeaseState, maxLeaseAddresses, queryMs } from './lease-codec.js';
import type { Vip } from './messages.js';
import { type Input, vipKey } from './state.js';

export interface LeaseRequest {
  readonly kind: 'release' | 'renew' | 'query';
  readonly id: RouterId;
  readonly vips: readonly Vip[];
  /** For `renew`. */
  readonly ms: number;
}

export interface LeaseMessage {
  readonly ms: number;
  readonly parts: readonly LeaseRequest[];
}

const order = { release: 0, renew: 1, query: 2 } as const;
const msOf = (r: LeaseRequest): number =>
  r.kind === 'release' ? 0 : r.kind === 'query' ? queryMs : r.ms;

/** Requests that do not fit into one message are split. */
const pieces = (r: LeaseRequest, limit: number): readonly LeaseRequest[] => {
  if (r.vips.length <= limit) return [r];
  const out: LeaseRequest[] = [];
  for (let i = 0; i < r.vips.length; i += limit)
    out.push({ ...r, vips: r.vips.slice(i, i + limit) });
  return out;
};

export const batches = (
  requests: readonly LeaseRequest[],
  limit: number = maxLeaseAddresses,
): readonly LeaseMessage[] => {
  const open = new Map<number, { ms: number; size: number; parts: LeaseRequest[] }>();
  const out: LeaseMessage[] = [];
  const sorted = [...requests].sort((a, b) => order[a.kind] - order[b.kind]);
  for (const part of sorted.flatMap((r) => pieces(r, limit))) {
    const ms = msOf(part);
    const known = open.get(ms);
    if (known !== undefined && known.size + part.vips.length <= limit) {
      known.size += part.vips.length;
      known.parts.push(part);
      continue;
    }
    const fresh = { ms, size: part.vips.length, parts: [part] };
    open.set(ms, fresh);
    out.push(fresh);
  }
  return out;
};

/** The oldest renewal counts; without any lease there is nothing to go on with. */
const renewedAgo = (states: readonly LeaseState[]): number | null => {
  const known = states.flatMap((s) => (s.known ? [s.renewedAgoMs] : []));
  if (known.length === 0 || known.includes(null)) return null;
  return Math.max(...known.map((ms) => ms ?? 0));
};

export interface LeaseAnswer {
  readonly id: RouterId;
  readonly input: Input;
}

/** The data plane's answer, as inputs of the routers that asked; one that was refused has no states. */
export const answersOf = (
  m: LeaseMessage,
  states: readonly LeaseState[],
): readonly LeaseAnswer[] => {
  let at = 0;
  return m.parts.map(({ kind, id, vips }): LeaseAnswer => {
    const own = states.slice(at, at + vips.length);
    at += vips.length;
    if (kind === 'release') return { id, input: { type: 'leaseReleased' } };
    if (kind === 'query')
      return { id, input: { type: 'leaseQueried', renewedAgoMs: renewedAgo(own) } };
    const keys = (known: boolean): readonly string[] =>
      vips.flatMap((v, i) => ((own[i]?.known ?? false) === known ? [vipKey(v)] : []));
    return { id, input: { type: 'leaseAnswer', granted: keys(true), missing: keys(false) } };
  });
};
