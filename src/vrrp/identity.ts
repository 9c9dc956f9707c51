/**
 * The identity of a virtual router: interface, VRID and address family. Every map, message, effect
 * and file uses it as the key. The name of an instance is a label and may change at any reload.
 */

/** keepalived's words for the address families. */
export type Family = 'inet' | 'inet6';

/** `eth0 51 inet` */
export type RouterId = string;

export interface RouterIdentity {
  readonly interface: string;
  readonly vrid: number;
  readonly family: Family;
}

export const routerId = (r: RouterIdentity): RouterId => `${r.interface} ${r.vrid} ${r.family}`;
