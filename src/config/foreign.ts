/** Files of routing daemons, recognised by their name or by what stands in them. */

const names: ReadonlyMap<string, string> = new Map([
  ['bgpd.conf', 'FRR or Quagga (bgpd)'],
  ['ospfd.conf', 'FRR or Quagga (ospfd)'],
  ['ospf6d.conf', 'FRR or Quagga (ospf6d)'],
  ['zebra.conf', 'FRR or Quagga (zebra)'],
  ['staticd.conf', 'FRR (staticd)'],
  ['bfdd.conf', 'FRR (bfdd)'],
  ['frr.conf', 'FRR'],
  ['bird.conf', 'BIRD'],
]);

/** Lines that only such a file has; keepalived.conf knows none of these words. */
const daemonLine =
  /^\s*(router (bgp|ospf6?|rip|isis)\b|frr version\b|frr defaults\b|ip prefix-list\b|route-map\b|line vty\b|neighbor \S+ remote-as\b)/m;

/** The program a file belongs to; null: none that is known. */
export const foreignFile = (path: string, text: string): string | null => {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const named = names.get(name);
  if (named !== undefined) return named;
  const head = text.slice(0, 65_536);
  return daemonLine.test(head) && !/^\s*(virtual_server|vrrp_instance)\b/m.test(head)
    ? 'FRR or Quagga'
    : null;
};
