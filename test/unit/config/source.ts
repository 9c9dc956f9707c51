/** Configuration from texts in memory, and the short of what was said about it. */
import type { LoadedConfig } from '../../../src/config/config.js';
import {
  type CheckedFile,
  type LoadOptions,
  loadConfig,
  loadDpvs,
  loadKeepalived,
} from '../../../src/config/load.js';
import { textSource } from '../../../src/config/text-source.js';

export const dpvsText = `
netif_defs {
  <init> device dpdk0 {
    rx { queue_number 1 }
  }
  <init> device dpdk1 { devargs "net_null1" }
}
worker_defs {
  <init> worker cpu0 { type master
    cpu_id 0 }
  <init> worker cpu1 { type slave
    cpu_id 1
    port dpdk0 { rx_queue_ids 0 }
    port dpdk1 { rx_queue_ids 0 } }
}
`;

export const load = (
  keepalived: string,
  dpvs = dpvsText,
  more: Readonly<Record<string, string>> = {},
  options: LoadOptions = {},
): LoadedConfig =>
  loadConfig(
    textSource(
      new Map(Object.entries({ 'keepalived.conf': keepalived, 'dpvs.conf': dpvs, ...more })),
    ),
    {
      keepalivedPath: 'keepalived.conf',
      dpvsPath: 'dpvs.conf',
      hostName: 'lb1.example',
    },
    options,
  );

export const alone = (text: string): CheckedFile =>
  loadKeepalived(textSource(new Map([['k', text]])), 'k', 'lb1.example');
export const dpvsAlone = (text: string): CheckedFile =>
  loadDpvs(textSource(new Map([['d', text]])), 'd');

/** Codes of what is well formed and cannot work; most texts of the tests are too small to work. */
const ofReach: ReadonlySet<string> = new Set([
  'KS_CONF_REACH',
  'KS_CONF_UNCHECKED',
  'KS_CONF_MACHINE',
]);

/** `line:column severity message` of everything but infos. */
export const warned = (r: CheckedFile): readonly string[] =>
  r.diagnostics
    .filter((d) => d.severity !== 'info')
    .map((d) => `${d.place.line}:${d.place.column} ${d.severity} ${d.message}`);

/** The same without what cannot work. */
export const said = (r: CheckedFile): readonly string[] =>
  r.diagnostics
    .filter((d) => d.severity !== 'info' && !ofReach.has(d.code))
    .map((d) => `${d.place.line}:${d.place.column} ${d.severity} ${d.message}`);

export const instance = (body: string): string =>
  `vrrp_instance V {\n interface dpdk1.kni\n virtual_router_id 51\n virtual_ipaddress {\n  198.51.100.80/32\n }\n${body}\n}\n`;

export const service = (body: string, rs = ' real_server 10.1.0.11 80 {\n }'): string =>
  `local_address_group lips {\n 10.1.0.200-203 dpdk0\n}\nvirtual_server 198.51.100.80 80 {\n lb_algo rr\n lb_kind FNAT\n protocol TCP\n laddr_group_name lips\n${body}\n${rs}\n}\n`;
