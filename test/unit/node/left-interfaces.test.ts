import test from 'ava';
import { aliasOf, removeLeftInterfaces } from '../../../src/node/left-interfaces.js';

const socket = '/run/keelson/dataplane.sock';

test('the owner is the file prefix, else the socket, and never a word of the EAL', (t) => {
  t.is(aliasOf(['--socket', socket]), `keelson-dataplane ${socket}`);
  t.is(aliasOf(['--socket', socket, '--file-prefix', 'a']), 'keelson-dataplane a');
  t.is(aliasOf(['--socket', socket, '--', '--file-prefix', 'eal']), `keelson-dataplane ${socket}`);
  t.is(aliasOf([]), null);
});

test('only what this data plane made is removed', async (t) => {
  const links = [
    { ifname: 'lo' },
    { ifname: 'dpdk0.kni', ifalias: 'keelson-dataplane a' },
    { ifname: 'dpdk1.kni', ifalias: 'keelson-dataplane a' },
    { ifname: 'dpdk2.kni', ifalias: 'keelson-dataplane ab' },
    { ifname: 'eth0', ifalias: 'uplink' },
  ];
  const ran: string[] = [];
  const run = async (args: readonly string[]): Promise<string> => {
    ran.push(args.join(' '));
    return args[0] === '-j' ? JSON.stringify(links) : '';
  };
  const removed = await removeLeftInterfaces(['--socket', socket, '--file-prefix', 'a'], run);
  t.deepEqual(removed, ['dpdk0.kni', 'dpdk1.kni']);
  t.deepEqual(ran.slice(1), ['link delete dev dpdk0.kni', 'link delete dev dpdk1.kni']);
});
