/** A line of JSON from pino as a short line for a terminal. Pure. */

const levelNames: ReadonlyMap<number, string> = new Map([
  [10, 'trace'],
  [20, 'debug'],
  [30, 'info'],
  [40, 'warn'],
  [50, 'error'],
  [60, 'fatal'],
]);

const hidden = new Set(['level', 'time', 'pid', 'msg', 'component', 'name']);

/** `12:00:01.250 info  vrrp: (VI_1) Entering BACKUP STATE` */
export const textLine = (line: string): string => {
  const o = JSON.parse(line) as Record<string, unknown>;
  const at = new Date(Number(o['time'])).toISOString().slice(11, 23);
  const level = (levelNames.get(Number(o['level'])) ?? 'info').padEnd(5);
  const rest = Object.entries(o)
    .filter(([k]) => !hidden.has(k))
    .map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`)
    .join('');
  const where = o['component'] === undefined ? '' : `${String(o['component'])}: `;
  return `${at} ${level} ${where}${String(o['msg'])}${rest}\n`;
};
