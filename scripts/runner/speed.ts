/** How fast this machine is next to the one the limits were written for: a small fixed piece of work, in CPU time. */
import { createHash } from 'node:crypto';

/** What the work takes on the reference machine (one core at about 3 GHz). */
const referenceMs = 300;

const work = (): number => {
  const before = process.cpuUsage();
  const hash = createHash('sha256');
  const block = Buffer.alloc(1 << 20, 0x5a);
  for (let i = 0; i < 64; i++) hash.update(block);
  const rows = Array.from({ length: 2000 }, (_, i) => ({
    name: `row ${i}`,
    values: [i, i / 3, -i],
  }));
  let text = JSON.stringify(rows);
  for (let i = 0; i < 20; i++) text = JSON.stringify(JSON.parse(text));
  hash.update(text).digest();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / 1000;
};

/** 1 on the reference machine or a faster one, 10 on one ten times slower. The best of three: the first warms up. */
export const measureSlowness = (): number =>
  Math.max(1, Math.min(work(), work(), work()) / referenceMs);
