/** IPv6 addresses as text (RFC 5952) and as 16 bytes. */

/** The text every other spelling of the same address comes to; null: no IPv6 address. */
export const canonicalIpv6 = (text: string): string | null => {
  if (!text.includes(':') || !/^[0-9a-fA-F:.]+$/.test(text)) return null;
  try {
    // The host parser of the URL standard reads RFC 4291's forms and writes RFC 5952's.
    return new URL(`http://[${text}]/`).hostname.slice(1, -1);
  } catch {
    return null;
  }
};

const groups = (part: string): readonly number[] =>
  part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16));

export const parseIpv6 = (text: string): Uint8Array | null => {
  const canonical = canonicalIpv6(text);
  if (canonical === null) return null;
  const [head = '', tail] = canonical.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - left.length - right.length }, () => 0);
  return Uint8Array.from([...left, ...middle, ...right].flatMap((g) => [g >> 8, g & 255]));
};

export const formatIpv6 = (b: Uint8Array): string => {
  const all = Array.from({ length: 8 }, (_, i) =>
    (((b[2 * i] ?? 0) << 8) | (b[2 * i + 1] ?? 0)).toString(16),
  );
  return canonicalIpv6(all.join(':')) ?? all.join(':');
};
