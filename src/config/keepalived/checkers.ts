/** Health checks of a real server (keepalived.md 2.12, 2.13). Timing comes in as what the real server and the virtual server said. */
import type { Node } from '../text.js';
import {
  address,
  block,
  boolean,
  type Context,
  flag,
  integer,
  integerOf,
  noMore,
  oneOf,
  type Readers,
  readBlock,
  seconds,
  text,
} from '../values.js';
import type { Checker, CheckTarget, CheckTiming, CheckUrl } from './types.js';

type Draft<T> = { -readonly [K in keyof T]: T[K] };

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

/** `minRetry` is 1 above the checkers, 0 in them. */
export const timingReaders = (c: Context, t: TimingWords, minRetry: 0 | 1): Readers => ({
  connect_timeout: seconds(c, 0.000_001, 86_400, (ms) => {
    t.connectTimeoutMs = ms;
  }),
  retry: integer(c, minRetry, 1_000_000, (x) => {
    t.retry = x;
  }),
  delay_before_retry: seconds(c, 0, 86_400, (ms) => {
    t.delayBeforeRetryMs = ms;
  }),
  warmup: seconds(c, 0, 86_400, (ms) => {
    t.warmupMs = ms;
  }),
  delay_loop: seconds(c, 0.000_001, 86_400, (ms) => {
    t.delayLoopMs = ms;
  }),
});

/** Precedence: checker, real_server, virtual_server, built in. */
const resolve = (kind: CheckerKind, levels: readonly TimingWords[]): CheckTiming => {
  const first = <K extends keyof TimingWords>(key: K): TimingWords[K] | undefined =>
    levels.find((l) => l[key] !== undefined)?.[key];
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

const statusRanges = (c: Context, into: { from: number; to: number }[]) => (n: Node) => {
  if (n.args.length === 0)
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'status_code needs a code');
  for (const w of n.args) {
    const [a = '', b] = w.text.split('-');
    const from = integerOf(c, { ...w, text: a }, 100, 599);
    const to = b === undefined ? from : integerOf(c, { ...w, text: b }, 100, 599);
    if (from !== null && to !== null && from <= to) into.push({ from, to });
    else if (from !== null && to !== null)
      c.report.add('error', 'KS_CONF_VALUE', w, 'the range is backwards', { found: w.text });
  }
};

const url = (c: Context, n: Node, nodes: readonly Node[]): CheckUrl | null => {
  const ranges: { from: number; to: number }[] = [];
  const options: string[] = [];
  const u: Draft<CheckUrl> = {
    path: '',
    digest: null,
    statusRanges: ranges,
    virtualhost: null,
    regex: null,
    regexOptions: options,
    regexNoMatch: false,
    regexMinOffset: 0,
    regexMaxOffset: null,
  };
  readBlock(
    c,
    nodes,
    {
      path: text(c, 'a path', (s) => {
        u.path = s;
      }),
      digest: text(c, '32 hex digits', (s, w) => {
        if (/^[0-9a-fA-F]{32}$/.test(s)) u.digest = s.toLowerCase();
        else
          c.report.add('error', 'KS_CONF_VALUE', w, 'wrong value', {
            found: `'${s}'`,
            expected: '32 hex digits (MD5)',
          });
      }),
      status_code: statusRanges(c, ranges),
      virtualhost: text(c, 'a host name', (s) => {
        u.virtualhost = s;
      }),
      regex: text(c, 'a regular expression', (s, w) => {
        try {
          u.regex = new RegExp(s).source;
        } catch (e) {
          c.report.add('error', 'KS_CONF_REGEX', w, e instanceof Error ? e.message : 'bad regex');
        }
      }),
      regex_no_match: flag(c, () => {
        u.regexNoMatch = true;
      }),
      regex_options: (x) => {
        for (const w of x.args) options.push(w.text);
      },
      regex_min_offset: integer(c, 0, 1 << 30, (x) => {
        u.regexMinOffset = x;
      }),
      regex_max_offset: integer(c, 0, 1 << 30, (x) => {
        u.regexMaxOffset = x;
      }),
    },
    'url',
  );
  if (u.path === '') {
    c.report.add('error', 'KS_CONF_MISSING', n.keyword, 'url has no path');
    return null;
  }
  return u;
};

export const checker = (
  c: Context,
  kind: CheckerKind,
  n: Node,
  above: readonly TimingWords[],
): Checker | null => {
  const own: TimingWords = {};
  const target: Draft<CheckTarget> = {
    connectIp: null,
    connectPort: null,
    bindto: null,
    bindPort: null,
  };
  const http: {
    protocol: '1.0' | '1.0C' | '1.1';
    virtualhost: string | null;
    enableSni: boolean;
    sniName: string | null;
    urls: CheckUrl[];
  } = { protocol: '1.0', virtualhost: null, enableSni: false, sniName: null, urls: [] };
  const udp = {
    payload: null as string | null,
    requireReply: null as string | null,
    minReplyLength: 0,
    maxReplyLength: 255,
  };
  const common: Readers = {
    ...timingReaders(c, own, 0),
    alpha: boolean(c, (b) => {
      own.alpha = b;
    }),
    log_all_failures: boolean(c, (b) => {
      own.logAllFailures = b;
    }),
    connect_ip: address(c, (a) => {
      target.connectIp = a;
    }),
    connect_port: integer(c, 1, 65_535, (x) => {
      target.connectPort = x;
    }),
    bindto: address(c, (a) => {
      target.bindto = a;
    }),
    bind_port: integer(c, 1, 65_535, (x) => {
      target.bindPort = x;
    }),
    nb_sock_retry: integer(c, 0, 1_000_000, (x) => {
      own.retry = x;
    }),
  };
  const httpReaders: Readers = {
    url: block(c, (nodes, x) => {
      const u = url(c, x, nodes);
      if (u !== null) http.urls.push(u);
    }),
    virtualhost: text(c, 'a host name', (s) => {
      http.virtualhost = s;
    }),
    http_protocol: oneOf(c, ['1.0', '1.0C', '1.0c', '1.1'], (p) => {
      http.protocol = p === '1.0c' ? '1.0C' : p;
    }),
    enable_sni: boolean(c, (b) => {
      http.enableSni = b;
    }),
    sni_name: text(c, 'a server name', (s) => {
      http.sniName = s;
    }),
    nb_get_retry: integer(c, 0, 1_000_000, (x) => {
      own.retry = x;
    }),
  };
  const udpReaders: Readers = {
    payload: text(c, 'hex digits', (s) => {
      udp.payload = s;
    }),
    require_reply: (x) => {
      udp.requireReply = x.args[0]?.text ?? '';
      noMore(c, x, 1);
    },
    min_reply_length: integer(c, 0, 65_535, (x) => {
      udp.minReplyLength = x;
    }),
    max_reply_length: integer(c, 0, 65_535, (x) => {
      udp.maxReplyLength = x;
    }),
  };
  const isHttp = kind === 'HTTP_GET' || kind === 'SSL_GET';
  readBlock(
    c,
    n.block ?? [],
    { ...common, ...(isHttp ? httpReaders : {}), ...(kind === 'UDP_CHECK' ? udpReaders : {}) },
    kind,
  );
  const timing = resolve(kind, [own, ...above]);
  const { place } = n.keyword;
  switch (kind) {
    case 'TCP_CHECK':
      return { kind, timing, place, target };
    case 'HTTP_GET':
    case 'SSL_GET':
      if (http.urls.length > 0) return { kind, timing, place, target, ...http };
      c.report.add('error', 'KS_CONF_MISSING', n.keyword, `${kind} has no url`);
      return null;
    case 'UDP_CHECK':
      return { kind, timing, place, target, ...udp };
    default:
      c.report.add('error', 'KS_CONF_UNSUPPORTED', n.keyword, `${kind} is not supported yet`, {
        hint: 'without this error the real server would be in service unchecked; use TCP_CHECK, HTTP_GET, SSL_GET or UDP_CHECK',
      });
      return { kind, timing, place };
  }
};
