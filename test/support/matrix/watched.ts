/** What a client saw while something was done to a node, and what follows from it. Pure. */

/** Lines of connections.py and watch.py. */
export type Seen =
  | { readonly at: number; readonly lost: string }
  | { readonly at: number; readonly wrong: string }
  | { readonly at: number; readonly alive: number }
  | { readonly at: number; readonly probe: number; readonly mac: string }
  | { readonly at: number; readonly advert: string; readonly priority: number };

export const readSeen = (text: string): readonly Seen[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Seen);

export interface Owners {
  /** Probes that more than one hardware address answered. */
  readonly dual: number;
  /** From the first to the last of them. */
  readonly dualMs: number;
  readonly answered: number;
  /** How often another hardware address answered than the one before. */
  readonly moves: number;
}

/** `before`: lines from before the event, by which the owner of then is known. */
export const ownersOf = (seen: readonly Seen[], before: readonly Seen[] = []): Owners => {
  const byProbe = new Map<number, { readonly macs: Set<string>; at: number }>();
  const old = before.flatMap((s) => ('probe' in s ? [s.mac] : [])).at(-1) ?? null;
  for (const s of seen) {
    if (!('probe' in s)) continue;
    const row = byProbe.get(s.probe) ?? { macs: new Set<string>(), at: s.at };
    row.macs.add(s.mac);
    row.at = Math.max(row.at, s.at);
    byProbe.set(s.probe, row);
  }
  const dual = [...byProbe.values()].filter((r) => r.macs.size > 1).map((r) => r.at);
  return {
    dual: dual.length,
    dualMs: dual.length === 0 ? 0 : Math.max(...dual) - Math.min(...dual),
    answered: byProbe.size,
    moves: movesOf(
      [...byProbe].sort(([a], [b]) => a - b).map(([, r]) => [...r.macs]),
      old,
    ),
  };
};

/** Probes that two answered tell no owner. */
const movesOf = (answers: readonly (readonly string[])[], old: string | null): number => {
  const single = answers.flatMap((macs) => (macs.length === 1 ? macs : []));
  return single.filter((mac, i) => mac !== (single[i - 1] ?? old ?? mac)).length;
};

export interface Roles {
  /** Another source than the active node advertised with a priority above 0. */
  readonly moved: boolean;
  /** The active node's silence before that; its longest silence when nobody else advertised. */
  readonly silenceMs: number;
}

/**
 * `active`: who advertised until `from`, as `before` shows. How often the role moves cannot be counted in adverts: a
 * router that loses to a better one sends a last advert after the first of the better one.
 */
export const rolesOf = (
  seen: readonly Seen[],
  from: number,
  active: string,
  before: readonly Seen[] = [],
): Roles => {
  let silenceMs = 0;
  let last =
    before.findLast((s) => 'advert' in s && s.advert === active && s.priority > 0)?.at ?? from;
  for (const s of seen) {
    if (!('advert' in s) || s.priority === 0) continue;
    if (s.advert !== active) return { moved: true, silenceMs: s.at - last };
    silenceMs = Math.max(silenceMs, s.at - last);
    last = s.at;
  }
  return { moved: false, silenceMs };
};

export const lostIn = (seen: readonly Seen[]): number => seen.filter((s) => 'lost' in s).length;
