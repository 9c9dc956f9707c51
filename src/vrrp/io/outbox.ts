/**
 * What the routers of the process want to send in one turn of the event loop, and the order in which
 * it leaves: leases (one message for all), adverts, gratuitous ARP. So an advert never leaves before
 * the lease that it stands for, and 255 routers that act together cost one lease message.
 */
import type { RouterId } from '../identity.js';
import { type LeaseRequest, lastWords } from '../lease-batch.js';
import type { Vip } from '../messages.js';
import type { OutDatagram } from '../send.js';
import { vipKey } from '../state.js';

export interface OutboxOptions {
  readonly leases: (requests: readonly LeaseRequest[]) => void;
  readonly garp: (vip: Vip, repeat: number) => void;
  readonly send: (interfaceName: string, datagram: OutDatagram) => void;
  readonly onSendFailed: (id: RouterId, error: unknown) => void;
  /** Keys of the VIPs that active routers hold: they are not released for somebody else. */
  readonly held: () => ReadonlySet<string>;
  /** There was nothing to release. */
  readonly onReleased: (id: RouterId) => void;
}

export interface Outbox {
  readonly lease: (r: LeaseRequest) => void;
  readonly advert: (id: RouterId, interfaceName: string, datagrams: readonly OutDatagram[]) => void;
  readonly garp: (vips: readonly Vip[], repeat: number) => void;
  /** Sends now what waits. */
  readonly flush: () => void;
}

interface Advert {
  readonly id: RouterId;
  readonly interfaceName: string;
  readonly datagram: OutDatagram;
}

export function outbox(o: OutboxOptions): Outbox {
  let requests: LeaseRequest[] = [];
  let adverts: Advert[] = [];
  let garps: { readonly vip: Vip; readonly repeat: number }[] = [];
  let planned = false;

  const withoutHeld = (list: readonly LeaseRequest[]): readonly LeaseRequest[] => {
    if (!list.some((r) => r.kind === 'release')) return list;
    const held = o.held();
    return list.map((r) =>
      r.kind === 'release' ? { ...r, vips: r.vips.filter((v) => !held.has(vipKey(v))) } : r,
    );
  };

  const flush = (): void => {
    planned = false;
    const leases = withoutHeld(lastWords(requests));
    const out = adverts;
    const announced = garps;
    requests = [];
    adverts = [];
    garps = [];
    // A message without addresses would release everything.
    const asked = leases.filter((r) => r.vips.length > 0);
    if (asked.length > 0) o.leases(asked);
    for (const { id, interfaceName, datagram } of out) {
      try {
        o.send(interfaceName, datagram);
      } catch (error) {
        o.onSendFailed(id, error);
      }
    }
    for (const { vip, repeat } of announced) o.garp(vip, repeat);
    for (const r of leases) if (r.kind === 'release' && r.vips.length === 0) o.onReleased(r.id);
  };
  const plan = (): void => {
    if (planned) return;
    planned = true;
    setImmediate(() => {
      if (planned) flush();
    });
  };
  return {
    lease: (r) => {
      requests.push(r);
      plan();
    },
    advert: (id, interfaceName, datagrams) => {
      for (const datagram of datagrams) adverts.push({ id, interfaceName, datagram });
      plan();
    },
    garp: (vips, repeat) => {
      for (const vip of vips) garps.push({ vip, repeat });
      plan();
    },
    flush,
  };
}
