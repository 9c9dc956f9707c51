/**
 * The border behind which the health checks live: they read what strangers send, so what they report
 * is checked in shape and size before anybody believes it.
 */
import type { FromHealthcheck } from './messages.js';

const longestText = 4096;

type Check = (v: unknown) => boolean;

const isText: Check = (v) => typeof v === 'string' && v.length <= longestText;
const isBoolean: Check = (v) => typeof v === 'boolean';
const isNumber: Check = (v) => typeof v === 'number' && Number.isFinite(v);
const isTextOrNull: Check = (v) => v === null || isText(v);

const isShaped =
  (fields: Readonly<Record<string, Check>>): Check =>
  (v) =>
    typeof v === 'object' &&
    v !== null &&
    Object.entries(fields).every(([name, fits]) => fits((v as Record<string, unknown>)[name]));

const isListOf =
  (fits: Check): Check =>
  (v) =>
    Array.isArray(v) && v.every(fits);

const isRealServer = isShaped({
  vs: isText,
  rs: isText,
  up: isBoolean,
  delta: isNumber,
  reason: isText,
  since: isNumber,
});

const isVirtualServer = isShaped({
  vs: isText,
  quorumUp: isBoolean,
  liveWeight: isNumber,
  reason: isText,
  since: isNumber,
});

const isCounters: Check = (v) =>
  typeof v === 'object' && v !== null && Object.values(v).every(isNumber);

const shapes: ReadonlyMap<string, Check> = new Map([
  [
    'states',
    isShaped({
      whole: isBoolean,
      more: isBoolean,
      realServers: isListOf(isRealServer),
      virtualServers: isListOf(isVirtualServer),
    }),
  ],
  ['configured', isShaped({ revision: isNumber })],
  [
    'counters',
    isShaped({ counters: isCounters, latestTimerMs: isNumber, journalTrouble: isTextOrNull }),
  ],
]);

/** Whether a message is one the health checks may send. */
export const isFromHealthcheck = (m: { readonly type: string }): m is FromHealthcheck =>
  shapes.get(m.type)?.(m) === true;
