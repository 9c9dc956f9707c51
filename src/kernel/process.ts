/**
 * What the supervisor and each process it started exchange, on the socket that the process listens
 * on. Every process has its own messages beside these (`messages.ts` in its folder).
 *
 * The connecting side begins with `hello`. The listening side answers with `ready` and its whole
 * present state (levels); then the connecting side sends its whole desired state.
 */

/** Raised when messages change so that an older process would not understand them. */
export const protocolVersion = 1;

export type Role = 'supervisor' | 'controller' | 'vrrp' | 'healthcheck' | 'dataplane';

export interface Hello {
  readonly type: 'hello';
  readonly role: Role;
  readonly pid: number;
  readonly protocol: number;
}

export type ToProcess =
  /** The orderly stop of the node: give up what is held, answer `stopped`, end. */
  { readonly type: 'stop' } | { readonly type: 'reload' };

export type FromProcess =
  | {
      /** First message on each connection. */
      readonly type: 'ready';
      readonly role: Role;
      readonly pid: number;
      readonly version: string;
      readonly protocol: number;
    }
  /** About once a second; its absence means that the process hangs. */
  | { readonly type: 'heartbeat' }
  /** Nothing is held any more; the process ends. */
  | { readonly type: 'stopped' };
