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
}

export const ownersOf = (seen: readonly Seen[]): Owners => {
  const byProbe = new Map<number, { readonly macs: Set<string>; at: number }>();
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
  };
};

export interface Roles {
  /** Sources that advertised with a priority above 0, in the order of their first advert. */
  readonly advertisers: readonly string[];
  /** How long the active node was silent before another advertised; its longest silence when none did. */
  readonly silenceMs: number;
  /** How often another source than the one before advertised. */
  readonly moves: number;
}

/** `active`: who advertised before `from`. */
export const rolesOf = (seen: readonly Seen[], from: number, active: string): Roles => {
  const adverts = seen.flatMap((s) => ('advert' in s && s.priority > 0 ? [s] : []));
  const advertisers = [...new Set(adverts.map((a) => a.advert))];
  let silenceMs = 0;
  let last = from;
  for (const a of adverts) {
    const moved = a.advert !== active;
    silenceMs = moved ? a.at - last : Math.max(silenceMs, a.at - last);
    if (moved) break;
    last = a.at;
  }
  const moves = adverts.filter((a, i) => a.advert !== (adverts[i - 1]?.advert ?? active)).length;
  return { advertisers, silenceMs, moves };
};

export const lostIn = (seen: readonly Seen[]): number => seen.filter((s) => 'lost' in s).length;
