/**
 * Lease requests of one turn of the event loop, as few messages as possible: 255 virtual routers that
 * become active together are one message. The last request of a router for an address is the one
 * that counts. Then releases precede renewals, so that an address which moved from one instance to
 * another ends leased.
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
  /** A part of a request that did not fit into one message, and not its last. */
  readonly more?: true;
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
  for (let i = 0; i < r.vips.length; i += limit) {
    const part = { ...r, vips: r.vips.slice(i, i + limit) };
    out.push(i + limit < r.vips.length ? { ...part, more: true } : part);
  }
  return out;
};

/**
 * Without the renewals that the same router took back, or repeated, later in the turn: a router that
 * renews and then yields must not end leased.
 */
export const lastWords = (requests: readonly LeaseRequest[]): readonly LeaseRequest[] => {
  const later = new Set<string>();
  const out: LeaseRequest[] = [];
  for (const r of [...requests].reverse()) {
    if (r.kind === 'query') {
      out.push(r);
      continue;
    }
    const keys = r.vips.map((v) => `${r.id} ${vipKey(v)}`);
    const fresh = r.vips.filter((_, i) => !later.has(keys[i] ?? ''));
    for (const key of keys) later.add(key);
    // A release is acknowledged even when a later renewal has made it void.
    if (r.kind === 'release' || fresh.length === r.vips.length) out.push(r);
    else if (fresh.length > 0) out.push({ ...r, vips: fresh });
  }
  return out.reverse();
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
  return m.parts.flatMap(({ kind, id, vips, more }): readonly LeaseAnswer[] => {
    const own = states.slice(at, at + vips.length);
    at += vips.length;
    if (kind === 'release') return more ? [] : [{ id, input: { type: 'leaseReleased' } }];
    if (kind === 'query')
      return [{ id, input: { type: 'leaseQueried', renewedAgoMs: renewedAgo(own) } }];
    const keys = (known: boolean): readonly string[] =>
      vips.flatMap((v, i) => ((own[i]?.known ?? false) === known ? [vipKey(v)] : []));
    return [{ id, input: { type: 'leaseAnswer', granted: keys(true), missing: keys(false) } }];
  });
};
