/**
 * dpip's grammar: OBJECT VERB, then keywords with values, as in iproute2; options may stand anywhere.
 * Objects and keywords are in tables, so that a refusal names what is known and what is not supported
 * yet. Pure.
 */
import type { RouteScope, RuntimeCommand } from '../../api/views.js';
import { orSuggest } from '../suggest.js';
import { UsageError } from '../usage.js';

export interface Options {
  readonly family: 4 | 6 | null;
  readonly stats: boolean;
  readonly verbose: boolean;
  /** Seconds between two prints; null: once. */
  readonly interval: number | null;
  readonly count: number | null;
  readonly json: boolean;
  readonly runDir: string | null;
}

export type Shown = 'link' | 'addr' | 'route' | 'neigh';

export type Request =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'change'; readonly command: RuntimeCommand; readonly remark: string | null }
  /** `only`: a device, or an address. */
  | { readonly kind: 'show'; readonly what: Shown; readonly device: string | null };

export interface Parsed {
  readonly request: Request;
  readonly options: Options;
}

const bad = (message: string): never => {
  throw new UsageError(message);
};

const number = (as: string, text: string | undefined, min: number, max: number): number => {
  const n = Number(text);
  return text !== undefined && /^\d+$/.test(text) && n >= min && n <= max
    ? n
    : bad(`${as}: found '${text ?? 'nothing'}', expected a whole number from ${min} to ${max}`);
};

// ---- options

const families: Readonly<Record<string, 4 | 6>> = { inet: 4, ipv4: 4, inet6: 6, ipv6: 6 };

interface Scanned {
  readonly options: Options;
  readonly plain: readonly string[];
  readonly asked: 'help' | 'version' | null;
}

const scan = (argv: readonly string[]): Scanned => {
  const rest = [...argv];
  const plain: string[] = [];
  let asked: Scanned['asked'] = null;
  const o: { -readonly [K in keyof Options]: Options[K] } = {
    family: null,
    stats: false,
    verbose: false,
    interval: null,
    count: null,
    json: false,
    runDir: null,
  };
  const next = (as: string): string => rest.shift() ?? bad(`${as} needs a value`);
  const readers: Readonly<Record<string, () => void>> = {
    '-4': () => {
      o.family = 4;
    },
    '-6': () => {
      o.family = 6;
    },
    '-f': () => {
      const word = next('-f');
      o.family = families[word] ?? bad(`-f: found '${word}', expected inet or inet6`);
    },
    '-s': () => {
      o.stats = true;
    },
    '-v': () => {
      o.verbose = true;
    },
    '-i': () => {
      o.interval = number('-i', rest.shift(), 1, 86_400);
    },
    '-c': () => {
      o.count = number('-c', rest.shift(), 1, 1_000_000);
    },
    '--json': () => {
      o.json = true;
    },
    '--run-dir': () => {
      o.runDir = next('--run-dir');
    },
    '-h': () => {
      asked = 'help';
    },
    '-V': () => {
      asked = 'version';
    },
    '-C': () => bad('-C (colours) is not supported; use -s -i'),
    '-F': () => bad('-F (force) belongs to ipset, which is not supported yet'),
  };
  for (let token = rest.shift(); token !== undefined; token = rest.shift()) {
    const reader = Object.hasOwn(readers, token) ? readers[token] : undefined;
    if (reader !== undefined) reader();
    else if (token === '--help' || (token === 'help' && plain.length < 2)) asked = 'help';
    else if (token === '--version') asked = 'version';
    else if (token.startsWith('-'))
      bad(`unknown option '${token}'; there is ${Object.keys(readers).join(' ')}`);
    else plain.push(token);
  }
  return { options: o, plain, asked };
};

// ---- keywords

/** The words after OBJECT VERB: the subject, and keywords with values. */
interface Line {
  readonly what: string;
  readonly subject: string | null;
  readonly value: (keyword: string) => string | null;
  readonly has: (flag: string) => boolean;
}

interface Grammar {
  readonly values: readonly string[];
  readonly flags: readonly string[];
  /** Keywords that are refused, and why. */
  readonly missing: Readonly<Record<string, string>>;
}

const checkKeyword = (what: string, w: string, g: Grammar, twice: boolean): void => {
  const missing = Object.hasOwn(g.missing, w) ? g.missing[w] : undefined;
  if (missing !== undefined) bad(`${what}: ${w}: ${missing}`);
  if (twice) bad(`${what}: ${w} is given twice`);
};

const lineOf = (what: string, words: readonly string[], g: Grammar): Line => {
  const rest = [...words];
  const values = new Map<string, string>();
  const flags = new Set<string>();
  let subject: string | null = null;
  for (let w = rest.shift(); w !== undefined; w = rest.shift()) {
    checkKeyword(what, w, g, values.has(w) || flags.has(w));
    if (g.values.includes(w)) values.set(w, rest.shift() ?? bad(`${what}: ${w} needs a value`));
    else if (g.flags.includes(w)) flags.add(w);
    else if (subject === null) subject = w;
    else
      bad(
        `${what}: unknown word '${w}'; there is ${[...g.values, ...g.flags].join(', ') || 'none'}`,
      );
  }
  return {
    what,
    subject,
    value: (k) => values.get(k) ?? null,
    has: (f) => flags.has(f),
  };
};

const need = (l: Line, keyword: string): string =>
  l.value(keyword) ?? bad(`${l.what}: ${keyword} is missing`);
const subject = (l: Line, what: string): string =>
  l.subject ?? bad(`${l.what}: ${what} is missing`);

const change = (command: RuntimeCommand, remark: string | null = null): Request => ({
  kind: 'change',
  command,
  remark,
});

type Verb = (l: Line, o: Options) => Request;

interface Verbs {
  readonly grammar: Grammar;
  readonly run: Verb;
}

const show = (what: Shown): Verbs => ({
  grammar: { values: ['dev'], flags: [], missing: {} },
  run: (l) => ({ kind: 'show', what, device: l.value('dev') ?? l.subject }),
});

// ---- addr

const lifetimes = 'addresses have no lifetime; the word is forever';
const addressGrammar: Grammar = {
  values: ['dev', 'scope', 'broadcast', 'valid_lft', 'preferred_lft', 'prefered_lft'],
  flags: ['sapool'],
  missing: {},
};

/** Words that are accepted because they state the default. */
const checkAddressWords = (l: Line): void => {
  const scope = l.value('scope');
  if (scope !== null && !['host', 'link', 'global'].includes(scope))
    bad(`${l.what}: scope ${scope}: expected host, link or global`);
  if (l.value('broadcast') !== null)
    bad(`${l.what}: broadcast: the data plane has no use for it; leave it out`);
  for (const k of ['valid_lft', 'preferred_lft', 'prefered_lft'])
    if (l.value(k) !== null && l.value(k) !== 'forever') bad(`${l.what}: ${k}: ${lifetimes}`);
};

const address =
  (op: 'address.add' | 'address.set'): Verb =>
  (l) => {
    checkAddressWords(l);
    return change({
      op,
      device: need(l, 'dev'),
      prefix: subject(l, 'the address'),
      local: l.has('sapool'),
    });
  };

const flush =
  (op: 'address.flush' | 'route.flush'): Verb =>
  (l, o) => {
    if (l.subject !== null)
      bad(`${l.what}: '${l.subject}': name a device by dev, or nothing for all`);
    return change({ op, device: l.value('dev'), family: o.family });
  };

const onlyDevice: Grammar = { values: ['dev'], flags: [], missing: {} };

// ---- route

const routeGrammar: Grammar = {
  values: ['via', 'dev', 'src', 'mtu', 'metric', 'scope'],
  flags: [],
  missing: {
    local: 'an address of our own is `dpip addr add`',
    tos: 'routes by type of service are not supported yet',
    table: 'there is one table',
  },
};

const scopes: readonly RouteScope[] = ['link', 'global', 'kni_host'];

const scopeOf = (l: Line): RouteScope | null => {
  const word = l.value('scope');
  if (word === null) return null;
  if (word === 'host') bad(`${l.what}: scope host: an address of our own is \`dpip addr add\``);
  return (
    scopes.find((s) => s === word) ?? bad(`${l.what}: scope ${word}: expected ${scopes.join(', ')}`)
  );
};

const route =
  (op: 'route.add' | 'route.set' | 'route.delete'): Verb =>
  (l, o) => {
    const prefix = subject(l, 'the prefix, or default,');
    const optional = (k: string, min: number, max: number): number | null => {
      const text = l.value(k);
      return text === null ? null : number(`${l.what}: ${k}`, text, min, max);
    };
    const scope = scopeOf(l);
    const six = prefix.includes(':') || (l.value('via') ?? '').includes(':');
    return change(
      {
        op,
        prefix,
        family: o.family ?? (six ? 6 : 4),
        device: l.value('dev'),
        gateway: l.value('via'),
        source: l.value('src'),
        mtu: optional('mtu', 0, 65_535),
        metric: optional('metric', 0, 0xffffffff),
        scope,
      },
      scope === 'kni_host' && op !== 'route.delete'
        ? "addresses of a device's kernel interface are known without it; the route is kept and shown"
        : null,
    );
  };

// ---- neigh

const neighbour =
  (op: 'neighbour.add' | 'neighbour.set'): Verb =>
  (l) =>
    change({
      op,
      address: subject(l, 'the address'),
      mac: need(l, 'lladdr'),
      device: need(l, 'dev'),
    });

const neighbourGrammar: Grammar = { values: ['lladdr', 'dev'], flags: [], missing: {} };

// ---- objects

const linkSettings =
  'settings of a link are part of dpvs.conf (mtu, promisc_mode, queues) and change when the node starts; changing them at run time is not supported yet';

const same = <T>(names: readonly string[], value: T): Readonly<Record<string, T>> =>
  Object.fromEntries(names.map((n) => [n, value]));

const objects: Readonly<Record<string, Readonly<Record<string, Verbs>>>> = {
  link: {
    ...same(['show', 'list'], show('link')),
    ...same(['set', 'change', 'add', 'del'], {
      grammar: { values: [], flags: [], missing: {} },
      run: () => bad(`dpip link: ${linkSettings}`),
    }),
  },
  addr: {
    ...same(['show', 'list'], show('addr')),
    add: { grammar: addressGrammar, run: address('address.add') },
    ...same(['set', 'change', 'replace'], {
      grammar: addressGrammar,
      run: address('address.set'),
    }),
    del: {
      grammar: addressGrammar,
      run: (l) => {
        checkAddressWords(l);
        return change({
          op: 'address.delete',
          device: need(l, 'dev'),
          prefix: subject(l, 'the address'),
        });
      },
    },
    flush: { grammar: onlyDevice, run: flush('address.flush') },
  },
  route: {
    ...same(['show', 'list'], show('route')),
    add: { grammar: routeGrammar, run: route('route.add') },
    ...same(['set', 'change', 'replace'], { grammar: routeGrammar, run: route('route.set') }),
    del: { grammar: routeGrammar, run: route('route.delete') },
    flush: { grammar: onlyDevice, run: flush('route.flush') },
  },
  neigh: {
    ...same(['show', 'list'], show('neigh')),
    add: { grammar: neighbourGrammar, run: neighbour('neighbour.add') },
    ...same(['set', 'change', 'replace'], {
      grammar: neighbourGrammar,
      run: neighbour('neighbour.set'),
    }),
    del: {
      grammar: neighbourGrammar,
      run: (l) =>
        change({
          op: 'neighbour.delete',
          address: subject(l, 'the address'),
          device: need(l, 'dev'),
        }),
    },
  },
};

/** Objects of DPVS that are not supported yet. */
const missingObjects: Readonly<Record<string, string>> = {
  vlan: 'VLAN devices',
  tunnel: 'tunnel devices',
  qsch: 'traffic control',
  cls: 'traffic control',
  ipset: 'address sets',
  flow: 'flow rules by hand',
  ipv6: 'IPv6 counters by themselves (`keelson drops` names every drop)',
  iftraf: 'traffic by flow',
  'eal-mem': 'a view of the EAL memory',
  maddr: 'multicast addresses',
  lldp: 'LLDP',
};

const longForms: Readonly<Record<string, string>> = {
  address: 'addr',
  neighbor: 'neigh',
  neighbour: 'neigh',
};

/** Throws UsageError. */
export const parse = (argv: readonly string[]): Parsed => {
  const { options, plain, asked } = scan(argv);
  if (asked !== null) return { request: { kind: asked }, options };
  const [word, verb = 'show', ...more] = plain;
  if (word === undefined)
    return bad(`an object is missing: ${Object.keys(objects).join(', ')}; dpip -h shows more`);
  const name = Object.hasOwn(longForms, word) ? (longForms[word] ?? word) : word;
  if (Object.hasOwn(missingObjects, name))
    bad(`dpip ${name}: ${missingObjects[name]}: not supported yet`);
  const object = Object.hasOwn(objects, name) ? objects[name] : undefined;
  if (object === undefined)
    return bad(
      `unknown object '${word}'; ${orSuggest(word, [...Object.keys(objects), ...Object.keys(longForms)], `there is ${Object.keys(objects).join(', ')}`)}`,
    );
  const verbs = Object.hasOwn(object, verb) ? object[verb] : undefined;
  if (verbs === undefined)
    return bad(
      `dpip ${name}: unknown verb '${verb}'; ${orSuggest(verb, Object.keys(object), `there is ${Object.keys(object).join(', ')}`)}`,
    );
  const what = `dpip ${name} ${verb}`;
  if (name === 'link' && verbs.grammar.values.length === 0) bad(`${what}: ${linkSettings}`);
  return { request: verbs.run(lineOf(what, more, verbs.grammar), options), options };
};

export const usage = `dpip [OPTIONS] OBJECT VERB [WORDS]: layer 3 of a running node
  link  show [DEV]
  addr  show [dev DEV]
        add|set IP[/LEN] dev DEV [sapool]
        del IP[/LEN] dev DEV
        flush [dev DEV]
  route show [dev DEV]
        add|set PREFIX|default [via GW] [dev DEV] [src IP] [mtu N] [metric N] [scope link|global|kni_host]
        del PREFIX|default [via GW] [dev DEV] [metric N]
        flush [dev DEV]
  neigh show [dev DEV]
        add|set IP lladdr MAC dev DEV
        del IP dev DEV
options
  -4 -6 -f AF   one family          -s   counters, ports in use
  -v            details             -i SECONDS [-c N]   again and again
  --json        JSON                --run-dir DIR       where the node runs
  -h            this text           -V   the version
not supported yet: ${Object.keys(missingObjects).join(', ')}
`;
