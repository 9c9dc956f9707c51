/** An address with a port as people write it: IPv6 in brackets (RFC 3986 §3.2.2). */
export const endpoint = (address: string, port: number | string): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
