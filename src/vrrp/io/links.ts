/**
 * Watches interfaces: whether they run, their index (a re-created interface has another one) and their IPv4 addresses.
 *
 * Asked five times a second, which costs a few dozen microseconds and needs no helper process that could be left behind.
 * Both sources speak of the process's own network namespace; /sys would not.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

export interface Link {
  readonly up: boolean;
  readonly index: number;
  readonly addresses: readonly string[];
}

const pollMs = 200;
const down: Link = { up: false, index: 0, addresses: [] };

/** `2\teth0      :     1      V3`: the interfaces that speak IPv4 and are up, with their index. */
function indexes(): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const line of readFileSync('/proc/net/igmp', 'latin1').split('\n')) {
    const found = /^(\d+)\s+(\S+)\s*:/.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) out.set(found[2], Number(found[1]));
  }
  return out;
}

/** Node lists an interface only while it is up and running and has an address. */
export function readLinks(names: Iterable<string>): ReadonlyMap<string, Link> {
  const running = networkInterfaces();
  const index = indexes();
  const out = new Map<string, Link>();
  for (const name of names) {
    const found = running[name];
    const addresses = (found ?? []).filter((a) => a.family === 'IPv4').map((a) => a.address);
    out.set(
      name,
      found === undefined ? down : { up: true, index: index.get(name) ?? 0, addresses },
    );
  }
  return out;
}

const same = (a: Link | undefined, b: Link): boolean =>
  a !== undefined &&
  a.up === b.up &&
  a.index === b.index &&
  a.addresses.join() === b.addresses.join();

export interface LinkWatch {
  /** The set of interfaces to watch; what is known of each is told at once, later every change. */
  readonly watch: (names: ReadonlySet<string>) => void;
  readonly get: (name: string) => Link;
  /** Tells the link once more at the next look, changed or not. */
  readonly again: (name: string) => void;
  readonly stop: () => void;
}

export function watchLinks(onChange: (name: string, link: Link) => void): LinkWatch {
  let names: ReadonlySet<string> = new Set();
  const known = new Map<string, Link>();
  const look = (): void => {
    if (names.size === 0) return;
    for (const [name, link] of readLinks(names)) {
      if (same(known.get(name), link)) continue;
      known.set(name, link);
      onChange(name, link);
    }
  };
  const timer = setInterval(look, pollMs);
  return {
    watch: (next) => {
      for (const name of known.keys()) if (!next.has(name)) known.delete(name);
      names = next;
      look();
    },
    get: (name) => known.get(name) ?? down,
    again: (name) => {
      known.delete(name);
    },
    stop: () => clearInterval(timer),
  };
}
