/** The benchmarks run and say everything they should; how fast anything is, no test judges. */
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { outputOf } from '../../support/programs/programs.js';

type Row = Readonly<Record<string, unknown>>;

const run = (name: string, args: readonly string[]): Row => {
  const program = fileURLToPath(new URL(`../../../../build/native/bench/${name}`, import.meta.url));
  const all = ['--quick', '--json', ...args, '--', '--file-prefix', `ks-bench-${process.pid}`];
  const text = outputOf([program, ...all]).toString();
  return JSON.parse(text) as Row;
};

const rowsOf = (t: ExecutionContext, result: Row, section: string): readonly Row[] => {
  const rows = result[section];
  t.true(Array.isArray(rows) && rows.length > 0, `${section} has rows`);
  return rows as readonly Row[];
};

/** Every number a row should have is there, finite and not negative. */
const hasNumbers = (t: ExecutionContext, row: Row, names: readonly string[]): void => {
  for (const name of names) {
    const value = row[name];
    t.true(
      typeof value === 'number' && Number.isFinite(value) && value >= 0,
      `${name} in ${JSON.stringify(row)}`,
    );
  }
};

const result = run('dataplane-modes', []);

test('dataplane-modes says under which conditions it ran', (t) => {
  const conditions = result['conditions'] as Row;
  t.is(result['benchmark'], 'dataplane-modes');
  t.is(typeof conditions['cpu'], 'string');
  hasNumbers(t, conditions, ['cpus', 'tsc_mhz', 'frame_bytes', 'workers', 'window_ms']);
});

test('dataplane-modes: every mode has a cost at every size, beside FNAT44', (t) => {
  const rows = rowsOf(t, result, 'modes');
  const modes = ['fnat44', 'fnat66', 'nat64', 'nat46', 'nat44', 'dr4', 'tun4'];
  t.deepEqual(
    rows.map((r) => `${r['mode']} ${r['sessions']}`),
    [1, 1000].flatMap((n) => modes.map((m) => `${m} ${n}`)),
  );
  for (const row of rows) {
    hasNumbers(t, row, [
      'cycles',
      'cycles_min',
      'cycles_max',
      'mpps',
      'generator_cycles',
      'session_bytes',
      'windows',
      'windows_thrown_away',
      'beside_cycles',
      'ratio',
      'budget',
    ]);
    t.true((row['cycles'] as number) > 0);
    t.is(row['beside'], row['mode'] === 'fnat44' ? 'bare' : 'fnat44');
    t.is(typeof row['met'], 'boolean');
  }
});

test('dataplane-modes: several workers, packets at their owner and at any', (t) => {
  const rows = rowsOf(t, result, 'workers');
  t.deepEqual(
    rows.map((r) => r['workers']),
    [1, 2, 4],
  );
  for (const row of rows) {
    hasNumbers(t, row, [
      'sessions',
      'owner_cycles',
      'owner_cycles_min',
      'owner_mpps_seen',
      'any_cycles',
      'any_cycles_min',
      'any_mpps_seen',
      'handed_over',
      'ring_full',
      'windows_thrown_away',
    ]);
    t.true(Number.isFinite(row['handover_cycles']) && Number.isFinite(row['handover_cycles_min']));
    const share = row['handed_over'] as number;
    const others = 1 - 1 / (row['workers'] as number);
    t.true(Math.abs(share - others) < 0.1, `${share} of the packets changed worker`);
  }
});

test('dataplane-modes: latency percentiles in order', (t) => {
  for (const row of rowsOf(t, result, 'latency')) {
    const percentiles = ['p50_us', 'p90_us', 'p99_us', 'p999_us'];
    hasNumbers(t, row, [
      ...percentiles,
      'max_us',
      'max_us_with_others_on_the_cpu',
      'full_mpps',
      'offered_mpps',
      'packets',
      'windows',
      'windows_disturbed',
    ]);
    const values = percentiles.map((name) => row[name] as number);
    t.deepEqual(
      values,
      values.toSorted((a, b) => a - b),
    );
    t.true((row['packets'] as number) > 0);
  }
});

test('dataplane-modes: generations are swapped without a lost packet', (t) => {
  for (const row of rowsOf(t, result, 'swap')) {
    hasNumbers(t, row, [
      'services',
      'servers',
      'swaps',
      'packets',
      'ops_ms',
      'build_ms',
      'publish_ms',
      'total_ms',
      'total_ms_max',
      'pause_us_median',
      'pause_us',
      'pause_us_median_without_swaps',
      'pause_us_without_swaps',
      'pause_us_with_others_on_the_cpu',
      'swaps_disturbed',
    ]);
    t.is(row['packets_lost'], 0);
    t.true((row['packets'] as number) > 0);
  }
});

test('dataplane-modes: established sessions live through a SYN flood', (t) => {
  const rows = rowsOf(t, result, 'flood');
  t.deepEqual(
    rows.map((r) => r['ahead']),
    [true, false, true],
  );
  for (const row of rows) {
    hasNumbers(t, row, [
      'sources',
      'table_room',
      'before_cycles',
      'during_cycles',
      'during_cycles_max',
      'after_cycles',
      'ratio',
      'syn_cycles',
      'longest_turn_us',
      'switches',
      'faults',
      'sessions_most',
      'table_mb',
      'refused',
      'log_lines',
    ]);
    t.true((row['sessions_after'] as number) >= (row['established'] as number));
  }
});

test('dataplane-fnat says what it always said', (t) => {
  const fnat = run('dataplane-fnat', ['--sessions', '1,1k']);
  t.is(fnat['benchmark'], 'dataplane-fnat');
  t.is(rowsOf(t, fnat, 'established').length, 4);
  for (const row of rowsOf(t, fnat, 'established'))
    hasNumbers(t, row, ['cycles', 'bare_cycles', 'ratio', 'mpps_per_worker', 'session_bytes']);
  for (const row of rowsOf(t, fnat, 'connections'))
    hasNumbers(t, row, ['cycles', 'expire_cycles', 'connections_per_second']);
});
