/**
 * Parses a command line into a request. An error names the word, what was found and what was expected.
 * Pure.
 */
import type {
  RuntimeCommand,
  ServerSettings,
  ServiceSettings,
  ServiceWords,
} from '../../api/views.js';
import { suggest } from '../suggest.js';
import { UsageError } from '../usage.js';
import { lengthOfMask, matchOf, secondsAsMs, serverOf, serviceOf, wholeNumber } from './values.js';
import { type Word, words } from './words.js';

export interface Listing {
  readonly kind: 'list';
  readonly service: ServiceWords | null;
  readonly show: 'services' | 'sessions' | 'stats' | 'rate' | 'timeouts' | 'thresholds';
  readonly sockpair: string | null;
  readonly exact: boolean;
  readonly nosort: boolean;
  readonly json: boolean;
}

export type Request =
  | { readonly kind: 'change'; readonly commands: readonly RuntimeCommand[] }
  | Listing
  | { readonly kind: 'locals'; readonly service: ServiceWords | null; readonly json: boolean }
  | { readonly kind: 'zero'; readonly service: ServiceWords | null; readonly json: boolean }
  | { readonly kind: 'save'; readonly json: boolean }
  | { readonly kind: 'restore' }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' };

export interface Parsed {
  readonly request: Request;
  readonly runDir: string | null;
}

interface Given {
  readonly word: Word;
  /** As written. */
  readonly as: string;
  readonly value: string;
}

const bad = (message: string): never => {
  throw new UsageError(message);
};

const short = new Map(words.flatMap((w) => (w.short === null ? [] : [[w.short, w] as const])));
const long = new Map(words.flatMap((w) => (w.long === null ? [] : [[w.long, w] as const])));

const near = (name: string): string => {
  const found = suggest(name, [...long.keys()]);
  return found === null ? 'ipvsadm -h shows all' : `did you mean --${found}?`;
};

/** Takes the argument of a word from `rest`. */
const argumentOf = (w: Word, as: string, joined: string | null, rest: string[]): string => {
  if (w.argument === 'none') {
    if (joined !== null) bad(`${as} takes no value, found '${joined}'`);
    return '';
  }
  if (joined !== null) return joined;
  if (w.argument === 'number?') return /^\d+$/.test(rest[0] ?? '') ? (rest.shift() ?? '') : '';
  return rest.shift() ?? bad(`${as} needs a value: ${w.help}`);
};

const longWord = (token: string, rest: string[]): Given => {
  const [name = '', ...more] = token.slice(2).split('=');
  const w = long.get(name) ?? bad(`unknown word '${token}'; ${near(name)}`);
  const as = `--${name}`;
  return { word: w, as, value: argumentOf(w, as, more.length > 0 ? more.join('=') : null, rest) };
};

/** `-Lnc` is three words; a word with an argument takes the rest of its token, or the next token. */
const shortWords = (token: string, rest: string[]): readonly Given[] => {
  const out: Given[] = [];
  for (let i = 1; i < token.length; i++) {
    const c = token[i] ?? '';
    const as = `-${c}`;
    const w = short.get(c) ?? bad(`unknown word '${as}' in '${token}'; ipvsadm -h shows all`);
    const tail = token.slice(i + 1);
    if (w.argument === 'none') {
      out.push({ word: w, as, value: '' });
      continue;
    }
    // -p takes only a number; in -pM the M is the next word.
    const joins = tail !== '' && (w.argument === 'required' || /^\d+$/.test(tail));
    out.push({
      word: w,
      as,
      value: argumentOf(w, as, joins ? tail.replace(/^=/, '') : null, tail === '' ? rest : []),
    });
    if (joins) break;
  }
  return out;
};

const scan = (argv: readonly string[]): { readonly given: Given[]; readonly plain: string[] } => {
  const rest = [...argv];
  const given: Given[] = [];
  const plain: string[] = [];
  for (let token = rest.shift(); token !== undefined; token = rest.shift()) {
    if (token.startsWith('--') && token.length > 2) given.push(longWord(token, rest));
    else if (token.startsWith('-') && token.length > 1) given.push(...shortWords(token, rest));
    else plain.push(token);
  }
  return { given, plain };
};

/** The words of one command line, each at most once, all allowed with the command. */
interface Line {
  readonly command: string;
  readonly as: string;
  readonly has: (id: string) => boolean;
  readonly value: (id: string) => string | null;
  /** The word as written. */
  readonly written: (id: string) => string;
  readonly plain: readonly string[];
}

const commandOf = (given: readonly Given[]): Given => {
  const [first, second] = given.filter((g) => g.word.goesWith === '');
  if (second !== undefined && first !== undefined)
    bad(`${first.as} and ${second.as} are two commands; one at a time, or several lines to -R`);
  if (first !== undefined) return first;
  return given.every((g) => listed.includes(g.word.id))
    ? { word: short.get('L') as Word, as: '-L', value: '' }
    : bad('a command is missing: -A -E -D -C -R -S -a -e -d -L -Z -P -Q -G, --set; -h shows all');
};

/** Alone they mean -L, as with ipvsadm. */
const listed: readonly string[] = ['numeric', 'json', 'runDir', 'exact', 'sort', 'nosort'];

const lineOf = (argv: readonly string[]): Line => {
  const { given, plain } = scan(argv);
  const command = commandOf(given);
  const seen = new Map<string, Given>();
  for (const g of given) {
    if (g.word.missing !== null) bad(`${g.as}: ${g.word.missing}`);
    if (g === command || g.word.goesWith === '') continue;
    if (seen.has(g.word.id)) bad(`${g.as} is given twice`);
    seen.set(g.word.id, g);
    const letter = command.word.id;
    if (letter.length > 1 ? g.word.id !== 'runDir' : !g.word.goesWith.includes(letter))
      bad(
        `${g.as} does not go with ${command.as}; it goes with ${[...g.word.goesWith].map((c) => `-${c}`).join(' ')}`,
      );
  }
  if (plain.length > 0 && command.word.id !== 'set')
    bad(`'${plain[0]}' does not follow a word that takes a value`);
  return {
    command: command.word.id,
    as: command.as,
    has: (id) => seen.has(id),
    value: (id) => seen.get(id)?.value ?? null,
    written: (id) => seen.get(id)?.as ?? id,
    plain,
  };
};

// ---- services

const selectors = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const;

const selected = (l: Line): ServiceWords | null => {
  const found = [
    ...Object.entries(selectors).flatMap(([id, protocol]) => {
      const at = l.value(id);
      return at === null ? [] : [serviceOf(protocol, at)];
    }),
    ...(l.value('match') === null ? [] : [matchOf(l.value('match') ?? '')]),
  ];
  if (found.length > 1) bad('two services are named; one of -t -u --sctp-service -H');
  return found[0] ?? null;
};

const service = (l: Line): ServiceWords =>
  selected(l) ?? bad(`${l.as} needs a service: -t, -u, --sctp-service or -H`);

const portFlags = ['sh-port', 'mh-port'];
/** Accepted without effect: a client whose server takes no sessions always gets another one. */
const fallbackFlags = ['sh-fallback', 'mh-fallback'];

const schedFlags = (text: string): boolean => {
  if (text === '-') return false;
  const flags = text.split(',');
  const known = [...portFlags, ...fallbackFlags];
  for (const flag of flags)
    if (!known.includes(flag))
      bad(
        `--sched-flags: '${flag}' is not supported yet; expected ${known.join(', ')}, or - for none`,
      );
  return flags.some((flag) => portFlags.includes(flag));
};

/** Words of which only the value "off" is supported. */
const offWords = {
  synproxy: 'the SYN proxy is not supported yet',
  destCheck: 'the passive health check is not supported yet; use the checks of keepalived.conf',
  proxyProtocol: 'the proxy protocol is not supported yet',
} as const;

const checkOff = (l: Line): void => {
  for (const [id, why] of Object.entries(offWords)) {
    const value = l.value(id);
    if (value !== null && value !== 'disable')
      bad(`${l.written(id)} ${value}: ${why}; only 'disable' is supported`);
  }
  const target = l.value('hashTarget');
  if (target !== null && target !== 'sip')
    bad(`--hash-target ${target}: connection ids are not supported yet; only 'sip' is`);
};

/** A word, and the word that reverts it. */
const switches = [
  { on: 'expireQuiescent', off: 'noExpireQuiescent', setting: 'expireQuiescent' },
  { on: 'ops', off: 'noOps', setting: 'onePacket' },
  { on: 'quic', off: 'noQuic', setting: 'quic' },
] as const;

const switched = (l: Line): ServiceSettings =>
  Object.fromEntries(
    switches.flatMap(({ on, off, setting }) => {
      if (l.has(on) && l.has(off)) bad(`${l.written(on)} and ${l.written(off)} contradict`);
      return l.has(on) || l.has(off) ? [[setting, l.has(on)]] : [];
    }),
  );

const serviceSettings = (l: Line, s: ServiceWords): ServiceSettings => {
  checkOff(l);
  const persistent = l.value('persistent');
  const mask = l.value('mask');
  const flags = l.value('schedFlags');
  const timeout = l.value('connTimeout');
  const scheduler = l.value('scheduler');
  if (mask !== null && persistent === null && l.command === 'A')
    bad('-M does not go without -p: it says which clients stay together');
  return {
    ...(scheduler === null ? {} : { scheduler }),
    ...(flags === null ? {} : { schedulerPort: schedFlags(flags) }),
    ...switched(l),
    ...(persistent === null
      ? {}
      : { persistenceMs: persistent === '' ? 360_000 : secondsAsMs('-p', persistent, 2_147_483) }),
    ...(mask === null
      ? {}
      : { persistencePrefixLength: lengthOfMask(mask, s.address.includes(':')) }),
    ...(timeout === null
      ? {}
      : { establishedTimeoutMs: secondsAsMs('--conn-timeout', timeout, 2_147_483) }),
  };
};

// ---- real servers

const modes = { dr: 'DR', tun: 'TUN', nat: 'NAT', fnat: 'FNAT', snat: 'SNAT' } as const;

const forwarding = (l: Line): string | null => {
  const found = Object.entries(modes).filter(([id]) => l.has(id));
  if (found.length > 1) bad('two forwarding modes are named; one of -g -i -m -b -J');
  return found[0]?.[1] ?? null;
};

/** Port and checksum require the type. */
const tunnel = (l: Line): Pick<ServerSettings, 'tunnel'> => {
  const type = l.value('tunType');
  const port = l.value('tunPort');
  const checksum = l.has('tunCsum');
  if (checksum && l.has('tunNocsum')) bad('--tun-csum and --tun-nocsum contradict');
  if (type === null) {
    if (port !== null || checksum || l.has('tunNocsum'))
      bad('--tun-port, --tun-csum and --tun-nocsum go with --tun-type');
    return {};
  }
  if (type !== 'gue' && port !== null) bad(`--tun-port goes with --tun-type gue, not ${type}`);
  if (type === 'ipip') {
    if (checksum) bad('--tun-csum goes with --tun-type gre or gue: IP in IP has no checksum');
    return { tunnel: null };
  }
  if (type === 'gre') return { tunnel: { type, checksum } };
  if (type !== 'gue') return bad(`--tun-type: found '${type}', expected ipip, gre or gue`);
  const at = wholeNumber('--tun-port', port ?? bad('--tun-type gue needs --tun-port'), 1, 65_535);
  return { tunnel: { type, port: at, checksum } };
};

const serverSettings = (l: Line): ServerSettings => {
  const mode = forwarding(l);
  const number = (id: string, as: string, most: number): number | null => {
    const value = l.value(id);
    return value === null ? null : wholeNumber(as, value, 0, most);
  };
  const weight = number('weight', '-w', 65_535);
  const upper = number('upper', '-x', 0x7fffffff);
  const lower = number('lower', '-y', 0x7fffffff);
  return {
    ...(mode === null ? {} : { forwarding: mode }),
    ...(weight === null ? {} : { weight }),
    ...(upper === null ? {} : { upperThreshold: upper }),
    ...(lower === null ? {} : { lowerThreshold: lower }),
    ...tunnel(l),
  };
};

const required = (l: Line, id: string, as: string): string =>
  l.value(id) ?? bad(`${l.as} needs ${as}: ${words.find((w) => w.id === id)?.help ?? ''}`);

const change = (...commands: readonly RuntimeCommand[]): Request => ({ kind: 'change', commands });

const timeouts = (l: Line): Request => {
  if (l.plain.length !== 3)
    bad('--set needs three numbers: TCP TCPFIN UDP in seconds, 0 keeps one');
  const [tcp = 0, tcpFin = 0, udp = 0] = l.plain.map((s) => wholeNumber('--set', s, 0, 31_535_999));
  return change({ op: 'timeouts.set', tcp, tcpFin, udp });
};

const listing = (l: Line): Listing => {
  const shows = ['connections', 'sockpair', 'stats', 'rate', 'timeout', 'thresholds'].filter((id) =>
    l.has(id),
  );
  const pair = l.value('sockpair');
  const one = shows.filter((id) => id !== 'sockpair');
  if (one.length > 1)
    bad('two listings are asked for; one of -c --stats --rate --timeout --thresholds');
  const show = pair !== null ? 'connections' : one[0];
  const names = {
    connections: 'sessions',
    stats: 'stats',
    rate: 'rate',
    timeout: 'timeouts',
    thresholds: 'thresholds',
  } as const;
  return {
    kind: 'list',
    service: selected(l),
    show: show === undefined ? 'services' : names[show as keyof typeof names],
    sockpair: pair,
    exact: l.has('exact'),
    nosort: l.has('nosort'),
    json: l.has('json'),
  };
};

const requests: Readonly<Record<string, (l: Line) => Request>> = {
  A: (l) => {
    const s = service(l);
    return change({ op: 'service.add', service: s, set: serviceSettings(l, s) });
  },
  E: (l) => {
    const s = service(l);
    return change({ op: 'service.edit', service: s, set: serviceSettings(l, s) });
  },
  D: (l) => change({ op: 'service.delete', service: service(l) }),
  C: () => change({ op: 'service.clear' }),
  a: (l) =>
    change({
      op: 'server.add',
      service: service(l),
      server: serverOf(required(l, 'server', '-r')),
      set: serverSettings(l),
    }),
  e: (l) =>
    change({
      op: 'server.edit',
      service: service(l),
      server: serverOf(required(l, 'server', '-r')),
      set: serverSettings(l),
    }),
  d: (l) =>
    change({
      op: 'server.delete',
      service: service(l),
      server: serverOf(required(l, 'server', '-r')),
    }),
  P: (l) =>
    change({
      op: 'local.add',
      service: service(l),
      address: required(l, 'laddr', '-z'),
      device: required(l, 'device', '-F'),
    }),
  Q: (l) =>
    change({
      op: 'local.delete',
      service: service(l),
      address: required(l, 'laddr', '-z'),
      device: required(l, 'device', '-F'),
    }),
  G: (l) => ({ kind: 'locals', service: selected(l), json: l.has('json') }),
  L: listing,
  l: listing,
  Z: (l) => ({ kind: 'zero', service: selected(l), json: l.has('json') }),
  S: (l) => ({ kind: 'save', json: l.has('json') }),
  R: () => ({ kind: 'restore' }),
  h: () => ({ kind: 'help' }),
  v: () => ({ kind: 'version' }),
  set: timeouts,
};

/** Throws UsageError. */
export const parse = (argv: readonly string[]): Parsed => {
  const l = lineOf(argv);
  const request = requests[l.command] ?? bad(`${l.as} is no command`);
  return { request: request(l), runDir: l.value('runDir') };
};

/** Words of a line of -R: separated by blanks, grouped by quotes; # begins a comment. */
const wordsOfLine = (line: string): readonly string[] =>
  [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((m) => m[1] ?? m[2] ?? m[3] ?? '');

export interface RestoredCommand {
  readonly command: RuntimeCommand;
  /** From 1. */
  readonly line: number;
}

/** What -S printed, as one transaction. Throws UsageError with the line. */
export const parseSaved = (text: string): readonly RestoredCommand[] =>
  text.split('\n').flatMap((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return [];
    try {
      const { request } = parse(wordsOfLine(line));
      if (request.kind !== 'change')
        return bad(`'${line}' changes nothing; -R takes -A -E -D -C -a -e -d -P -Q --set`);
      return request.commands.map((command) => ({ command, line: i + 1 }));
    } catch (e) {
      if (e instanceof UsageError) return bad(`line ${i + 1}: ${e.message}`);
      throw e;
    }
  });
