/**
 * `npm run demo`: [--json] [--hold]. With --json the result is one JSON object on stdout and the progress goes to
 * stderr; with --hold the network stays, with what one could try, until Ctrl-C.
 */
import type { Network } from './network.js';
import { vip } from './network.js';
import { allSeen, play } from './play.js';
import { type Progress, type StepResult, shown } from './step.js';

const json = process.argv.includes('--json');
const hold = process.argv.includes('--hold');

const out = json ? process.stderr : process.stdout;
const print = (line: string): void => void out.write(`${line}\n`);

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => abort.abort());

let number = 0;
const progress: Progress = {
  begin: (title) => print(`\n${++number}. ${title}`),
  note: (text) => print(`   ${text}`),
  end: (r) => {
    if (r.figures.length > 0) print(`   ${r.figures.map(shown).join(', ')}`);
    for (const problem of r.problems) print(`   NOT AS IT SHOULD BE: ${problem}`);
    print(`   ${r.ok ? 'seen' : 'FAILED'}`);
  },
};

const summary = (results: readonly StepResult[]): void => {
  print('\nSummary');
  for (const r of results) {
    print(
      `  ${r.ok ? 'ok    ' : 'FAILED'}  ${r.name.padEnd(18)} ${r.figures.map(shown).join(', ')}`,
    );
  }
  print(allSeen(results) ? '\nEvery step was seen to work.' : '\nNot every step was seen to work.');
};

const untilAborted = (): Promise<void> =>
  new Promise((resolve) => {
    if (abort.signal.aborted) resolve();
    // The timer keeps the process: an abort listener alone would not.
    const keep = setInterval(() => undefined, 60_000);
    abort.signal.addEventListener('abort', () => {
      clearInterval(keep);
      resolve();
    });
  });

const tellWhatToTry = (network: Network): void => {
  const on = (host: string): string => `scripts/demo on ${host}`;
  const run = network.nodes[0]?.runDir ?? '';
  print(`
It goes on until Ctrl-C. From another terminal, in this directory:

  ${on('client')} curl -s http://${vip}/                  ask the virtual server, again and again
  ${on('client')} wrk -t1 -c50 -d5 http://${vip}/         or all at once
  ${on('a')} bin/keelson status --run-dir ${run}     what node a knows; --watch to look on
  ${on('a')} bin/keelson sessions --run-dir ${run}
  ${on('wan')} tcpdump -Z root -ni br0 vrrp or arp            the adverts between the nodes
  ${on('rs2')} ss -tn state established                  the clients a real server sees: local addresses
  ${on('a')} ip -d address show dpdk1.kni                the kernel's side of a port
`);
};

let code = 1;
const options = { prefix: process.env['KEELSON_SANDBOX'] === '1' ? '' : 'keelson-', progress };
try {
  await play({ ...options, signal: abort.signal }, async ({ results, network }) => {
    summary(results);
    code = allSeen(results) ? 0 : 1;
    if (json)
      process.stdout.write(`${JSON.stringify({ ok: code === 0, steps: results }, null, 2)}\n`);
    if (!hold) return;
    tellWhatToTry(network);
    await untilAborted();
  });
} catch (e) {
  if (!abort.signal.aborted) print(`demo: ${e instanceof Error ? e.message : String(e)}`);
  else if (!hold) print('demo: broken off; everything is removed');
}
process.exit(code);
