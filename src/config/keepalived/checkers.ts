/**
 * Health checks of a real server (keepalived.md 2.12, 2.13). Timing is resolved from what the checker,
 * the real server and the virtual server give.
 */
import { type Node, placeOf } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  type Draft,
  flag,
  hostName,
  integer,
  integerOf,
  missing,
  noMore,
  oneOf,
  type Reader,
  readBlock,
  seconds,
  type Table,
  table,
  text,
  wrong,
} from '../values.js';
import type { Checker, CheckTarget, CheckTiming, CheckUrl } from './types.js';

/** What was written at one level; undefined: ask the level above. */
export interface TimingWords {
  connectTimeoutMs?: number;
  retry?: number;
  delayBeforeRetryMs?: number;
  warmupMs?: number;
  delayLoopMs?: number;
  alpha?: boolean;
  logAllFailures?: boolean;
}

export type CheckerKind = Checker['kind'];

/** Built-in retry and delay before retry by kind; null: delay_loop. */
const builtIn: Readonly<Record<CheckerKind, { retry: number; delayMs: number | null }>> = {
  TCP_CHECK: { retry: 1, delayMs: 1000 },
  HTTP_GET: { retry: 1, delayMs: 3000 },
  SSL_GET: { retry: 1, delayMs: 3000 },
  SMTP_CHECK: { retry: 1, delayMs: 1000 },
  DNS_CHECK: { retry: 3, delayMs: null },
  MISC_CHECK: { retry: 0, delayMs: 1000 },
  UDP_CHECK: { retry: 1, delayMs: 1000 },
  PING_CHECK: { retry: 1, delayMs: 1000 },
  BFD_CHECK: { retry: 0, delayMs: 1000 },
  FILE_CHECK: { retry: 0, delayMs: 1000 },
};

export const checkerKinds = Object.keys(builtIn) as readonly CheckerKind[];

/** Below 10 ms a check would be a load of its own; beyond 24 days timers of 32 bits end. */
const shortestLoop = 0.01;
const longest = 2_000_000;

/** `minRetry` is 1 above the checkers, 0 in them. */
export const timingReaders = <D>(
  part: (d: D) => TimingWords,
  minRetry: 0 | 1,
): Readonly<Record<string, Reader<D>>> => ({
  connect_timeout: seconds(0.001, 86_400, (d, ms) => {
    part(d).connectTimeoutMs = ms;
  }),
  retry: integer(minRetry, 1_000_000, (d, x) => {
    part(d).retry = x;
  }),
  delay_before_retry: seconds(0, longest, (d, ms) => {
    part(d).delayBeforeRetryMs = ms;
  }),
  warmup: seconds(0, longest, (d, ms) => {
    part(d).warmupMs = ms;
  }),
  delay_loop: seconds(shortestLoop, longest, (d, ms) => {
    part(d).delayLoopMs = ms;
  }),
});

/** Precedence: checker, real_server, virtual_server, built in. */
const resolve = (kind: CheckerKind, levels: readonly TimingWords[]): CheckTiming => {
  const first = <K extends keyof TimingWords>(key: K): TimingWords[K] | undefined => {
    for (const l of levels) if (l[key] !== undefined) return l[key];
    return undefined;
  };
  const delayLoopMs = first('delayLoopMs') ?? 60_000;
  return {
    connectTimeoutMs: first('connectTimeoutMs') ?? 5000,
    retry: first('retry') ?? builtIn[kind].retry,
    delayBeforeRetryMs: first('delayBeforeRetryMs') ?? builtIn[kind].delayMs ?? delayLoopMs,
    warmupMs: first('warmupMs') ?? delayLoopMs,
    delayLoopMs,
    alpha: first('alpha') ?? false,
    logAllFailures: first('logAllFailures') ?? false,
  };
};

/** Equal values of one virtual server are one object: thousands of checks are alike. */
export interface Shared {
  readonly timing: (kind: CheckerKind, levels: readonly TimingWords[]) => CheckTiming;
  readonly target: (t: CheckTarget) => CheckTarget;
}

const interned = <T>(): ((key: string, value: T) => T) => {
  const kept = new Map<string, T>();
  return (key, value) => {
    const before = kept.get(key);
    if (before !== undefined) return before;
    kept.set(key, value);
    return value;
  };
};

const plainTarget: CheckTarget = Object.freeze({
  connectIp: null,
  connectPort: null,
  bindto: null,
  bindPort: null,
});

export const shared = (): Shared => {
  const timings = interned<CheckTiming>();
  return {
    timing: (kind, levels) => {
      const t = resolve(kind, levels);
      return timings(Object.values(t).join(), t);
    },
    target: (t) =>
      t.connectIp === null && t.connectPort === null && t.bindto === null && t.bindPort === null
        ? plainTarget
        : t,
  };
};

type UrlDraft = Omit<Draft<CheckUrl>, 'statusRanges' | 'regexOptions'> & {
  readonly statusRanges: { from: number; to: number }[];
  readonly regexOptions: string[];
  /** The word of the pattern, which is checked when its options are known. */
  pattern: Node | null;
};

const statusRanges: Reader<UrlDraft> = (c, n, d) => {
  if (n.args.length === 0) missing(c, n, 'codes from 100 to 599');
  for (const w of n.args) {
    const dash = w.text.indexOf('-');
    const [a, b] = dash < 0 ? [w.text, w.text] : [w.text.slice(0, dash), w.text.slice(dash + 1)];
    const from = integerOf(c, { ...w, text: a }, 100, 599);
    const to = dash < 0 ? from : integerOf(c, { ...w, text: b }, 100, 599);
    if (from !== null && to !== null && from <= to) d.statusRanges.push({ from, to });
    else if (from !== null && to !== null)
      c.report.add('error', 'KS_CONF_VALUE', w, 'the range is backwards', { found: w.text });
  }
};

/** Options of a pattern as keepalived names them; one that is not known would change what matches. */
const patternOptions: ReadonlySet<string> = new Set(
  (
    'allow_empty_class alt_bsux auto_callout caseless dollar_endonly dotall dupnames extended ' +
    'firstline match_unset_backref multiline never_ucp never_utf no_auto_capture ' +
    'no_auto_possessify no_dotstar_anchor no_start_optimize ucp ungreedy utf never_backslash_c ' +
    'alt_circumflex alt_verbnames use_offset_limit'
  ).split(' '),
);

const urlTable: Table<UrlDraft> = table('url', {
  path: text(
    'a path',
    (d, s) => {
      d.path = s;
    },
    /^\P{Cc}+$/u,
  ),
  digest: text(
    '32 hex digits (MD5)',
    (d, s) => {
      d.digest = s.toLowerCase();
    },
    /^[0-9a-fA-F]{32}$/,
  ),
  status_code: statusRanges,
  virtualhost: hostName((d, s) => {
    d.virtualhost = s;
  }),
  regex: (c, n, d) => {
    const w = n.args[0];
    if (w === undefined || w.text === '') missing(c, n, 'a regular expression');
    else {
      d.regex = w.text;
      d.pattern = n;
    }
    noMore(c, n, 1);
  },
  regex_no_match: flag((d) => {
    d.regexNoMatch = true;
  }),
  regex_options: (c, n, d) => {
    for (const w of n.args)
      if (patternOptions.has(w.text)) d.regexOptions.push(w.text);
      else wrong(c, w, [...patternOptions].join(', '));
  },
  regex_min_offset: integer(0, 1 << 30, (d, x) => {
    d.regexMinOffset = x;
  }),
  regex_max_offset: integer(0, 1 << 30, (d, x) => {
    d.regexMaxOffset = x;
  }),
});

const checkPattern = (c: Context, u: UrlDraft): void => {
  const w = u.pattern?.args[0];
  const why = u.regex === null ? null : c.pattern(u.regex, u.regexOptions);
  if (w !== undefined && why !== null)
    c.report.add('error', 'KS_CONF_REGEX', w, `the pattern cannot be compiled: ${why}`);
};

const url = (c: Context, n: Node, nodes: readonly Node[]): CheckUrl | null => {
  const u: UrlDraft = {
    path: '',
    digest: null,
    statusRanges: [],
    virtualhost: null,
    regex: null,
    regexOptions: [],
    regexNoMatch: false,
    regexMinOffset: 0,
    regexMaxOffset: null,
    pattern: null,
  };
  readBlock(c, nodes, urlTable, u);
  checkPattern(c, u);
  if (u.path === '') {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'url has no path');
    return null;
  }
  if (u.regexMaxOffset !== null && u.regexMaxOffset < u.regexMinOffset)
    c.report.add('error', 'KS_CONF_VALUE', n.keyword, 'regex_max_offset is below regex_min_offset');
  const { pattern: _, ...plain } = u;
  return plain;
};

interface CheckDraft {
  readonly own: TimingWords;
  readonly target: Draft<CheckTarget>;
  protocol: '1.0' | '1.0C' | '1.1';
  virtualhost: string | null;
  enableSni: boolean;
  sniName: string | null;
  readonly urls: CheckUrl[];
  payload: string | null;
  requireReply: string | null;
  minReplyLength: number;
  maxReplyLength: number;
}

/** Pairs of hex digits; in a reply that is matched, x stands for any digit. */
const isHex = (s: string, digits: RegExp): boolean => s.length % 2 === 0 && digits.test(s);

const common: Readonly<Record<string, Reader<CheckDraft>>> = {
  ...timingReaders<CheckDraft>((d) => d.own, 0),
  alpha: boolean((d, b) => {
    d.own.alpha = b;
  }),
  log_all_failures: boolean((d, b) => {
    d.own.logAllFailures = b;
  }),
  connect_ip: address((d, a) => {
    d.target.connectIp = a;
  }),
  connect_port: integer(1, 65_535, (d, x) => {
    d.target.connectPort = x;
  }),
  bindto: address((d, a) => {
    d.target.bindto = a;
  }),
  bind_port: integer(1, 65_535, (d, x) => {
    d.target.bindPort = x;
  }),
  nb_sock_retry: integer(0, 1_000_000, (d, x) => {
    d.own.retry = x;
  }),
};

const http: Readonly<Record<string, Reader<CheckDraft>>> = {
  url: block((c, nodes, d, n) => {
    const u = url(c, n, nodes);
    if (u !== null) d.urls.push(u);
  }),
  virtualhost: hostName((d, s) => {
    d.virtualhost = s;
  }),
  http_protocol: oneOf(['1.0', '1.0C', '1.0c', '1.1'], (d, p) => {
    d.protocol = p === '1.0c' ? '1.0C' : p;
  }),
  enable_sni: boolean((d, b) => {
    d.enableSni = b;
  }),
  sni_name: hostName((d, s) => {
    d.sniName = s;
  }),
  nb_get_retry: integer(0, 1_000_000, (d, x) => {
    d.own.retry = x;
  }),
};

const udp: Readonly<Record<string, Reader<CheckDraft>>> = {
  payload: (c, n, d) => {
    const w = n.args[0];
    if (w === undefined) missing(c, n, 'hex digits');
    else if (isHex(w.text, /^[0-9a-fA-F]+$/)) d.payload = w.text;
    else wrong(c, w, 'pairs of hex digits');
    noMore(c, n, 1);
  },
  require_reply: (c, n, d) => {
    const w = n.args[0];
    if (w === undefined || isHex(w.text, /^[0-9a-fA-FxX]*$/)) d.requireReply = w?.text ?? '';
    else wrong(c, w, 'pairs of hex digits or x, or nothing for any reply');
    noMore(c, n, 1);
  },
  min_reply_length: integer(0, 65_535, (d, x) => {
    d.minReplyLength = x;
  }),
  max_reply_length: integer(0, 65_535, (d, x) => {
    d.maxReplyLength = x;
  }),
};

type Supported = 'TCP_CHECK' | 'HTTP_GET' | 'SSL_GET' | 'UDP_CHECK';

const tables: Readonly<Record<Supported, Table<CheckDraft>>> = {
  TCP_CHECK: table('TCP_CHECK', common),
  HTTP_GET: table('HTTP_GET', { ...common, ...http }),
  SSL_GET: table('SSL_GET', { ...common, ...http }),
  UDP_CHECK: table('UDP_CHECK', { ...common, ...udp }),
};

export const checkerTables = [...Object.values(tables), urlTable];

const isSupported = (kind: CheckerKind): kind is Supported => Object.hasOwn(tables, kind);

export const checker = (
  c: Context,
  kind: CheckerKind,
  n: Node,
  above: readonly TimingWords[],
  same: Shared,
): Checker | null => {
  const place = placeOf(n.keyword);
  if (!isSupported(kind)) {
    c.report.add('error', 'KS_CONF_UNSUPPORTED', n.keyword, `${kind} is not supported yet`, {
      hint: 'without this error the real server would be in service unchecked; use TCP_CHECK, HTTP_GET, SSL_GET or UDP_CHECK',
    });
    return { kind, timing: same.timing(kind, above), place };
  }
  const d: CheckDraft = {
    own: {},
    target: { ...plainTarget },
    protocol: '1.0',
    virtualhost: null,
    enableSni: false,
    sniName: null,
    urls: [],
    payload: null,
    requireReply: null,
    minReplyLength: 0,
    maxReplyLength: 255,
  };
  if (n.block !== null) readBlock(c, n.block, tables[kind], d);
  noMore(c, n, 0);
  const timing = same.timing(kind, [d.own, ...above]);
  const target = same.target(d.target);
  switch (kind) {
    case 'TCP_CHECK':
      return { kind, timing, place, target };
    case 'HTTP_GET':
    case 'SSL_GET': {
      const { protocol, virtualhost, enableSni, sniName, urls } = d;
      if (urls.length > 0)
        return { kind, timing, place, target, protocol, virtualhost, enableSni, sniName, urls };
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, `${kind} has no url`);
      return null;
    }
    case 'UDP_CHECK': {
      const { payload, requireReply, minReplyLength, maxReplyLength } = d;
      if (minReplyLength > maxReplyLength)
        c.report.add(
          'error',
          'KS_CONF_VALUE',
          n.keyword,
          'min_reply_length is above max_reply_length',
        );
      return { kind, timing, place, target, payload, requireReply, minReplyLength, maxReplyLength };
    }
  }
};
