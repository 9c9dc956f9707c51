/** What can be wrong with an advertisement as bytes; every one means that it is dropped (RFC 9568 §7.1). */
export type PacketError =
  | {
      readonly kind: 'length';
      readonly field: string;
      readonly offset: number;
      readonly needed: number;
      readonly available: number;
    }
  | {
      readonly kind: 'version' | 'type' | 'vrid';
      readonly field: string;
      readonly offset: number;
      readonly found: number;
    }
  | {
      readonly kind: 'checksum';
      readonly field: 'checksum';
      readonly offset: number;
      readonly found: number;
      readonly expected: number;
      /** The peer leaves the pseudo-header out: v3_checksum_as_v2 is what would help. */
      readonly rightWithoutPseudoHeader: boolean;
    };

const hex = (n: number): string => `0x${n.toString(16).padStart(4, '0')}`;

/** One line for the log. */
export function describe(e: PacketError): string {
  switch (e.kind) {
    case 'length':
      return `packet too short, ${e.field} at offset ${e.offset} needs ${e.needed} bytes, ${e.available} are there`;
    case 'checksum':
      return `bad checksum, found ${hex(e.found)}, expected ${hex(e.expected)}${
        e.rightWithoutPseudoHeader
          ? ' (right without the pseudo-header: v3_checksum_as_v2 may be what you want)'
          : ''
      }`;
    case 'version':
      return `unknown VRRP version ${e.found}`;
    case 'type':
      return `unknown packet type ${e.found}`;
    case 'vrid':
      return `VRID ${e.found} is not allowed`;
  }
}
