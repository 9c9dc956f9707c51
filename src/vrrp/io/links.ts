/**
 * Watches interfaces: whether they run, their index (a re-created interface has another one) and
 * their addresses. The addon's netlink monitor reports that something changed, and then everything
 * is read again: an event that is lost does no harm. Without the addon the interfaces are polled.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Addon } from '../../kernel/io/addon.js';

export interface Link {
  readonly up: boolean;
  /** Why it does not run. */
  readonly reason: string;
  readonly index: number;
  readonly addresses: readonly string[];
}

const pollMs = 200;
/** With the monitor: in case the kernel dropped an event. */
const checkMs = 1000;
const reopenMs = 100;

const missing = (name: string): Link => ({
  up: false,
  reason: `there is no interface ${name}`,
  index: 0,
  addresses: [],
});

const why = (name: string, up: boolean): string =>
  up
    ? `interface ${name} has no carrier: check the cable and the port at its other end`
    : `interface ${name} is down: ip link set ${name} up`;

/** By netlink: the process's own network namespace. */
export function dumpLinks(addon: Addon, names: ReadonlySet<string>): ReadonlyMap<string, Link> {
  const out = new Map<string, Link>();
  const addresses = addon.addressDump();
  for (const l of addon.linkDump()) {
    if (!names.has(l.name)) continue;
    const up = l.up && l.running;
    out.set(l.name, {
      up,
      reason: up ? `interface ${l.name} is running` : why(l.name, l.up),
      index: l.index,
      addresses: addresses
        .filter((a) => a.index === l.index && a.family === 4)
        .map((a) => a.address),
    });
  }
  return out;
}

/** `2\teth0      :     1      V3`: interfaces with IPv4 that are up, with their index. */
function indexes(): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (const line of readFileSync('/proc/net/igmp', 'latin1').split('\n')) {
    const found = /^(\d+)\s+(\S+)\s*:/.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) out.set(found[2], Number(found[1]));
  }
  return out;
}

/** Without the addon. Node lists an interface only while it runs and has an address. */
export function pollLinks(names: ReadonlySet<string>): ReadonlyMap<string, Link> {
  const running = networkInterfaces();
  const index = indexes();
  const out = new Map<string, Link>();
  for (const name of names) {
    const found = running[name];
    const addresses = (found ?? []).filter((a) => a.family === 'IPv4').map((a) => a.address);
    const at = index.get(name) ?? 0;
    const reason = `interface ${name} is missing or down, or has no carrier or no address`;
    out.set(
      name,
      found === undefined
        ? { ...missing(name), reason }
        : { up: true, reason: `interface ${name} is running`, index: at, addresses },
    );
  }
  return out;
}

const same = (a: Link | undefined, b: Link): boolean =>
  a !== undefined &&
  a.reason === b.reason &&
  a.index === b.index &&
  a.addresses.join() === b.addresses.join();

export interface LinkWatch {
  /** The interfaces to watch; what is known of each is reported at once, later every change. */
  readonly watch: (names: ReadonlySet<string>) => void;
  readonly get: (name: string) => Link;
  /** Reports the interface once more at the next look, changed or not. */
  readonly again: (name: string) => void;
  readonly stop: () => void;
}

export function watchLinks(
  addon: Addon | null,
  onChange: (name: string, link: Link) => void,
): LinkWatch {
  let names: ReadonlySet<string> = new Set();
  const known = new Map<string, Link>();
  let stopped = false;
  let planned = false;

  const read = (): ReadonlyMap<string, Link> => {
    if (addon === null) return pollLinks(names);
    try {
      return dumpLinks(addon, names);
    } catch {
      return pollLinks(names);
    }
  };
  const look = (): void => {
    planned = false;
    if (names.size === 0 || stopped) return;
    const found = read();
    for (const name of names) {
      const link = found.get(name) ?? missing(name);
      if (same(known.get(name), link)) continue;
      known.set(name, link);
      onChange(name, link);
    }
  };
  /** One look for all events of a turn. */
  const plan = (): void => {
    if (planned) return;
    planned = true;
    setImmediate(look);
  };

  let monitor: { readonly close: () => void } | null = null;
  const open = (): void => {
    if (addon === null || stopped || monitor !== null) return;
    try {
      monitor = addon.netlinkMonitor(plan, () => {
        monitor = null;
        setTimeout(open, reopenMs);
      });
    } catch {
      monitor = null;
    }
    plan();
  };
  open();
  const timer = setInterval(
    () => {
      // A failed look is repeated soon: sockets that could not be opened are tried again.
      look();
      if (monitor === null && addon !== null) open();
    },
    addon === null ? pollMs : checkMs,
  );
  return {
    watch: (next) => {
      for (const name of known.keys()) if (!next.has(name)) known.delete(name);
      names = next;
      look();
    },
    get: (name) => known.get(name) ?? missing(name),
    again: (name) => {
      known.delete(name);
      setTimeout(plan, pollMs);
    },
    stop: () => {
      stopped = true;
      clearInterval(timer);
      monitor?.close();
    },
  };
}
