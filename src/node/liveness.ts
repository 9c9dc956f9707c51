/**
 * The life of one process as its watcher sees it: started, speaking, silent, killed, gone, started
 * again. Pure: what is launched, killed and logged are effects.
 *
 *   waiting -> starting -> speaking        (a word: any message)
 *      ^          |            |
 *      |          v            v
 *      '------- ending <-------'           silence, a replacement, or the node's orderly stop
 *
 * Silence is not the time since the last word: the watcher may have slept itself, and then the
 * words wait unread in its socket. It is counted in looks. A look that comes late counts nothing
 * unless the look before was late too, and between two looks the event loop reads what has arrived.
 * So a watcher that was stopped for a minute kills nobody, and a process that was stopped together
 * with it has the whole limit to speak. A start has a limit of its own.
 */
import { after, type Machine, type Millis, type Step, unreachable } from '../kernel/machine.js';
import { died, type RestartState, started } from './restart.js';

export interface Limits {
  /** Until the first word after a start. */
  readonly startMs: number;
  /** Between two words. */
  readonly silenceMs: number;
  /** From the request to end until SIGKILL. */
  readonly stopMs: number;
}

/** Looks in one limit. */
const looks = 8;

interface Watch {
  readonly limitMs: number;
  readonly lookAt: Millis;
  /** Looks since the last word. */
  readonly quiet: number;
  readonly wasLate: boolean;
}

interface Common {
  readonly limits: Limits;
  readonly restart: RestartState;
}

type Life =
  | { readonly tag: 'waiting'; readonly startAt: Millis; readonly reason: string }
  | { readonly tag: 'starting'; readonly watch: Watch }
  | { readonly tag: 'speaking'; readonly watch: Watch }
  | {
      readonly tag: 'ending';
      /** null: SIGKILL was sent. */
      readonly killAt: Millis | null;
      /** Started again at once: it has not failed. */
      readonly purpose: 'restart' | 'replace' | 'stop';
      readonly reason: string;
    }
  | { readonly tag: 'stopped' };

export interface State extends Common {
  readonly life: Life;
}

export type Input =
  /** It runs already: an earlier watcher started it. */
  | { readonly type: 'found' }
  /** A message of it was read. */
  | { readonly type: 'word' }
  /** It has ended, or could not be started. */
  | { readonly type: 'gone'; readonly reason: string }
  /** To be started again without having failed: SIGTERM first. */
  | { readonly type: 'replace'; readonly reason: string }
  /** The node stops: the process was asked to end, and is not started again. */
  | { readonly type: 'stop' };

export type Effect =
  | { readonly type: 'launch' }
  | { readonly type: 'signal'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly type: 'log'; readonly level: 'info' | 'warn' | 'error'; readonly msg: string };

type Next = Step<State, Effect>;

const watchFrom = (now: Millis, limitMs: number): Watch => ({
  limitMs,
  lookAt: after(now, limitMs / looks),
  quiet: 0,
  wasLate: false,
});

/** Not started yet; the first tick launches it. */
export const initial = (limits: Limits, now: Millis): State => ({
  limits,
  restart: started(now, null),
  life: { tag: 'waiting', startAt: now, reason: '' },
});

const log = (level: 'info' | 'warn' | 'error', msg: string): Effect => ({
  type: 'log',
  level,
  msg,
});

const launch = (s: State, now: Millis): Next => [
  {
    ...s,
    restart: started(now, s.restart),
    life: { tag: 'starting', watch: watchFrom(now, s.limits.startMs) },
  },
  [{ type: 'launch' }],
];

const kill = (s: State, reason: string): Next => [
  { ...s, life: { tag: 'ending', killAt: null, purpose: 'restart', reason } },
  [log('error', `${reason}; killed`), { type: 'signal', signal: 'SIGKILL' }],
];

const look = (
  s: State,
  life: Extract<Life, { readonly tag: 'starting' | 'speaking' }>,
  now: Millis,
): Next => {
  const { watch } = life;
  const periodMs = watch.limitMs / looks;
  const isLate = now - watch.lookAt > periodMs / 2;
  const quiet = isLate && !watch.wasLate ? watch.quiet : watch.quiet + 1;
  // The look at the moment of the last word counts as the first.
  if (quiet > looks) {
    const seconds = watch.limitMs / 1000;
    const what = life.tag === 'starting' ? 'not come up' : 'been silent';
    return kill(s, `has ${what} for ${seconds} s`);
  }
  const next: Watch = { ...watch, lookAt: after(now, periodMs), quiet, wasLate: isLate };
  return [{ ...s, life: { ...life, watch: next } }, []];
};

const onTick = (s: State, now: Millis): Next => {
  const { life } = s;
  switch (life.tag) {
    case 'waiting':
      return now >= life.startAt ? launch(s, now) : [s, []];
    case 'starting':
    case 'speaking':
      return now >= life.watch.lookAt ? look(s, life, now) : [s, []];
    case 'ending':
      if (life.killAt === null || now < life.killAt) return [s, []];
      return [
        { ...s, life: { ...life, killAt: null } },
        [log('warn', 'does not end; killed'), { type: 'signal', signal: 'SIGKILL' }],
      ];
    case 'stopped':
      return [s, []];
    default:
      return unreachable(life);
  }
};

const onWord = (s: State, now: Millis): Next => {
  const { life } = s;
  if (life.tag === 'starting')
    return [{ ...s, life: { tag: 'speaking', watch: watchFrom(now, s.limits.silenceMs) } }, []];
  if (life.tag !== 'speaking' || life.watch.quiet === 0) return [s, []];
  return [{ ...s, life: { ...life, watch: { ...life.watch, quiet: 0 } } }, []];
};

const onGone = (s: State, reason: string, now: Millis): Next => {
  const { life } = s;
  if (life.tag === 'stopped' || life.tag === 'waiting') return [s, []];
  if (life.tag === 'ending' && life.purpose === 'stop')
    return [{ ...s, life: { tag: 'stopped' } }, []];
  if (life.tag === 'ending' && life.purpose === 'replace')
    return [{ ...s, life: { tag: 'waiting', startAt: now, reason: life.reason } }, []];
  const [restart, delayMs] = died(s.restart, now);
  const why = life.tag === 'ending' ? life.reason : reason;
  const again = delayMs === 0 ? 'starting it again' : `starting it again in ${delayMs} ms`;
  return [
    { ...s, restart, life: { tag: 'waiting', startAt: after(now, delayMs), reason: why } },
    [log('error', `${reason}; ${again}`)],
  ];
};

const onStop = (s: State, now: Millis): Next => {
  const { life } = s;
  if (life.tag === 'stopped') return [s, []];
  if (life.tag === 'waiting') return [{ ...s, life: { tag: 'stopped' } }, []];
  const killAt = life.tag === 'ending' && life.killAt === null ? null : after(now, s.limits.stopMs);
  return [{ ...s, life: { tag: 'ending', killAt, purpose: 'stop', reason: 'the node stops' } }, []];
};

const onReplace = (s: State, reason: string, now: Millis): Next => {
  const { life } = s;
  if (life.tag !== 'starting' && life.tag !== 'speaking') return [s, []];
  return [
    {
      ...s,
      life: { tag: 'ending', killAt: after(now, s.limits.stopMs), purpose: 'replace', reason },
    },
    [log('info', `is replaced: ${reason}`), { type: 'signal', signal: 'SIGTERM' }],
  ];
};

export const liveness: Machine<State, Input, Effect> = {
  deadline: ({ life }) => {
    switch (life.tag) {
      case 'waiting':
        return life.startAt;
      case 'starting':
      case 'speaking':
        return life.watch.lookAt;
      case 'ending':
        return life.killAt;
      case 'stopped':
        return null;
      default:
        return unreachable(life);
    }
  },
  step: (s, input, now) => {
    switch (input.type) {
      case 'tick':
        return onTick(s, now);
      case 'found':
        return s.life.tag === 'waiting'
          ? [
              {
                ...s,
                restart: started(now, s.restart),
                life: { tag: 'starting', watch: watchFrom(now, s.limits.startMs) },
              },
              [],
            ]
          : [s, []];
      case 'word':
        return onWord(s, now);
      case 'gone':
        return onGone(s, input.reason, now);
      case 'replace':
        return onReplace(s, input.reason, now);
      case 'stop':
        return onStop(s, now);
      default:
        return unreachable(input);
    }
  },
};
