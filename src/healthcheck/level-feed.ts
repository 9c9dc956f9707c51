/**
 * Reports levels to one client: first all of them, then those that changed, coalesced to one page a
 * turn of the loop. A level is read when its page is sent, so a client never receives an old one
 * after a newer one, and what is removed meanwhile is left out.
 */
import type { FromHealthcheck, RealServerLevel, VirtualServerLevel } from './messages.js';
import { statesPerPage } from './pages.js';

/** A real server, or the virtual server itself where `rs` is null. */
export interface Subject {
  readonly vs: string;
  readonly rs: string | null;
}

export interface FeedOptions {
  /** Everything there is; may be changed while it is read. */
  readonly all: () => Iterable<Subject>;
  /** null: it is no more. */
  readonly realServer: (vs: string, rs: string) => RealServerLevel | null;
  readonly virtualServer: (vs: string) => VirtualServerLevel | null;
  readonly send: (m: FromHealthcheck) => void;
  /** Runs `f` in a later turn of the loop. */
  readonly later: (f: () => void) => void;
  readonly perPage?: number;
}

export interface LevelFeed {
  readonly changed: (vs: string, rs: string | null) => void;
  /** Sent behind everything that has changed until now. */
  readonly sendAfter: (m: FromHealthcheck) => void;
  readonly close: () => void;
}

interface Round {
  readonly whole: boolean;
  readonly subjects: Iterator<Subject>;
  /** Sent when the last page has been sent. */
  readonly after: readonly FromHealthcheck[];
  next: IteratorResult<Subject>;
  /** A page of it has been sent. */
  begun: boolean;
}

export function levelFeed(o: FeedOptions): LevelFeed {
  const perPage = o.perPage ?? statesPerPage;
  /** By virtual server; null in a set stands for the virtual server itself. */
  let dirty = new Map<string, Set<string | null>>();
  let after: FromHealthcheck[] = [];
  let scheduled = false;
  let closed = false;

  const round = (whole: boolean, subjects: Iterator<Subject>, last: FromHealthcheck[]): Round => ({
    whole,
    subjects,
    after: last,
    next: subjects.next(),
    begun: false,
  });
  let current: Round | null = round(true, o.all()[Symbol.iterator](), []);

  const takeDirty = (): Round | null => {
    if (dirty.size === 0 && after.length === 0) return null;
    const changed = dirty;
    const last = after;
    dirty = new Map();
    after = [];
    function* subjects(): Generator<Subject> {
      for (const [vs, list] of changed) for (const rs of list) yield { vs, rs };
    }
    return round(false, subjects(), last);
  };
  const sendPage = (r: Round): void => {
    const realServers: RealServerLevel[] = [];
    const virtualServers: VirtualServerLevel[] = [];
    let room = perPage;
    for (; r.next.done !== true && room > 0; r.next = r.subjects.next()) {
      const { vs, rs } = r.next.value;
      const level = rs === null ? o.virtualServer(vs) : o.realServer(vs, rs);
      if (level === null) continue;
      if ('rs' in level) realServers.push(level);
      else virtualServers.push(level);
      room--;
    }
    const more = r.next.done !== true;
    // Each set that was begun is ended; one without a level is not begun.
    if (r.whole || room < perPage || r.begun)
      o.send({ type: 'states', whole: r.whole, more, realServers, virtualServers });
    r.begun ||= room < perPage;
  };
  const schedule = (): void => {
    if (scheduled || closed) return;
    scheduled = true;
    o.later(turn);
  };
  const turn = (): void => {
    scheduled = false;
    if (closed) return;
    const r = current ?? takeDirty();
    if (r === null) return;
    current = r;
    sendPage(r);
    if (r.next.done === true) {
      for (const m of r.after) o.send(m);
      current = null;
    }
    if (current !== null || dirty.size > 0 || after.length > 0) schedule();
  };
  schedule();

  return {
    changed: (vs, rs) => {
      const list = dirty.get(vs);
      if (list === undefined) dirty.set(vs, new Set([rs]));
      else list.add(rs);
      schedule();
    },
    sendAfter: (m) => {
      after.push(m);
      schedule();
    },
    close: () => {
      closed = true;
      dirty.clear();
    },
  };
}
