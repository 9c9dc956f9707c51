/** Keelson's own addon as far as VRRP uses it: the same names and order as native/addon. */
import { createRequire } from 'node:module';

export interface AddonRawSocket {
  readonly send: (destination: string, payload: Uint8Array) => void;
  readonly onMessage: (listener: (packetWithIpHeader: Uint8Array) => void) => void;
  readonly close: () => void;
}

export interface Addon {
  readonly rawSocketOpen: (o: {
    readonly protocol: number;
    readonly device: string;
    readonly mcastGroup: string | null;
    readonly source: string | null;
    readonly ttl: number;
    readonly tos: number;
  }) => AddonRawSocket;
  readonly setRealtime?: (priority: number) => void;
}

// From dist/src/vrrp/io to the root of the tree.
const places = ['../../../../build/native/addon/keelson.node'];

/** The addon, or why there is none. */
export function loadAddon(): Addon | string {
  const require = createRequire(import.meta.url);
  const failures: string[] = [];
  for (const place of places) {
    try {
      return require(place) as Addon;
    } catch (error) {
      failures.push(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
    }
  }
  return `addon: ${failures.join(', ')}`;
}
