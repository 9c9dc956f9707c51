/**
 * What each request may carry: the shape of its body and of its query. This is the only place that knows; the server
 * refuses whatever does not fit before the backend sees it.
 */
import type { RuntimeCommand } from '../cluster/runtime/types.js';
import { RequestError } from './errors.js';
import {
  amount,
  flag,
  integer,
  list,
  nullable,
  object,
  oneOf,
  type Shape,
  ShapeError,
  tagged,
  text,
} from './shape.js';

/** Commands in one transaction. */
export const mostCommands = 500_000;

// ---- bodies

const port = integer(0, 65_535);
const family = oneOf(4, 6);
const match = object({
  family: nullable(family),
  source: nullable(text()),
  destination: nullable(text()),
  iif: nullable(text()),
  oif: nullable(text()),
});
const service = object({ protocol: text(), address: text(), port, match: nullable(match) });
const server = object({ address: text(), port: nullable(port) });
const serviceSettings = object(
  {},
  {
    scheduler: text(),
    schedulerPort: flag,
    expireQuiescent: flag,
    onePacket: flag,
    quic: flag,
    persistenceMs: amount,
    persistencePrefixLength: integer(0, 128),
    establishedTimeoutMs: amount,
  },
);
const tunnel = tagged<object>('type', {
  gre: object({ type: oneOf('gre'), checksum: flag }),
  gue: object({ type: oneOf('gue'), port, checksum: flag }),
});
const serverSettings = object(
  {},
  {
    forwarding: text(),
    weight: amount,
    upperThreshold: amount,
    lowerThreshold: amount,
    tunnel: nullable(tunnel),
  },
);

const withService = <const O extends string>(op: O) => object({ op: oneOf(op), service });
const settingService = <const O extends string>(op: O) =>
  object({ op: oneOf(op), service }, { set: serviceSettings });
const settingServer = <const O extends string>(op: O) =>
  object({ op: oneOf(op), service, server }, { set: serverSettings });
const local = <const O extends string>(op: O) =>
  object({ op: oneOf(op), service, device: text(), address: text() });
const address = <const O extends string>(op: O) =>
  object({ op: oneOf(op), device: text(), prefix: text() }, { local: flag });
const flush = <const O extends string>(op: O) =>
  object({ op: oneOf(op) }, { device: nullable(text()), family: nullable(family) });
const route = <const O extends string>(op: O) =>
  object(
    { op: oneOf(op), prefix: text() },
    {
      family: nullable(family),
      device: nullable(text()),
      gateway: nullable(text()),
      source: nullable(text()),
      mtu: nullable(amount),
      metric: nullable(amount),
      scope: nullable(text()),
    },
  );
const neighbour = <const O extends string>(op: O) =>
  object({ op: oneOf(op), device: text(), address: text(), mac: text() });

const commands: Readonly<Record<RuntimeCommand['op'], Shape<object>>> = {
  'service.add': settingService('service.add'),
  'service.edit': settingService('service.edit'),
  'service.delete': withService('service.delete'),
  'service.clear': object({ op: oneOf('service.clear') }),
  'server.add': settingServer('server.add'),
  'server.edit': settingServer('server.edit'),
  'server.delete': object({ op: oneOf('server.delete'), service, server }),
  'local.add': local('local.add'),
  'local.delete': local('local.delete'),
  'timeouts.set': object({ op: oneOf('timeouts.set'), tcp: amount, tcpFin: amount, udp: amount }),
  'address.add': address('address.add'),
  'address.set': address('address.set'),
  'address.delete': object({ op: oneOf('address.delete'), device: text(), prefix: text() }),
  'address.flush': flush('address.flush'),
  'route.add': route('route.add'),
  'route.set': route('route.set'),
  'route.delete': route('route.delete'),
  'route.flush': flush('route.flush'),
  'neighbour.add': neighbour('neighbour.add'),
  'neighbour.set': neighbour('neighbour.set'),
  'neighbour.delete': object({ op: oneOf('neighbour.delete'), device: text(), address: text() }),
};

/** A command of a transaction; whether it can be carried out is for the node to decide. */
export const commandShape: Shape<object> = tagged('op', commands);

const transaction = object({ commands: list(commandShape, mostCommands) });
const zeroed = object({ service: nullable(text()) });

/** Turns a ShapeError into the answer to a bad request. */
const reading = <T>(read: () => T): T => {
  try {
    return read();
  } catch (e) {
    if (!(e instanceof ShapeError)) throw e;
    throw new RequestError('KS_API_BODY', e.message, e.index);
  }
};

export const readTransaction = (body: unknown): readonly object[] =>
  reading(() => transaction(body, '').commands);

export const readCommand = (body: unknown, index: number): object => {
  if (index >= mostCommands)
    throw new RequestError('KS_API_BODY', `more than ${mostCommands} commands`, index);
  return reading(() => commandShape(body, `commands[${index}]`));
};

/** The service whose counters are to begin at 0; null: all. It must be said, so that a typo does not mean all. */
export const readZero = (body: unknown): string | null => reading(() => zeroed(body, '').service);

/** For requests that carry nothing: an empty object is nothing, too. */
export const readEmpty = (body: unknown): void => {
  if (body !== undefined) reading(() => object({})(body, ''));
};

// ---- queries

const wrong = (name: string, value: string, expected: string): never => {
  const short = value.length > 60 ? `${value.slice(0, 60)}...` : value;
  throw new RequestError('KS_API_QUERY', `${name}: found '${short}', expected ${expected}`);
};

/** A parameter's text and its default as a value. */
type Parameter<T> = (value: string | null, name: string) => T;

export const word: Parameter<string | null> = (value, name) =>
  value !== null && value.length > 256 ? wrong(name, value, 'at most 256 characters') : value;

export const switched: Parameter<boolean> = (value, name) =>
  value === null || value === '0' ? false : value === '1' || wrong(name, value, '0 or 1');

/** A count from 0, where 0 means all. */
export const count =
  (fallback: number): Parameter<number> =>
  (value, name) => {
    if (value === null) return fallback;
    return /^\d{1,9}$/.test(value)
      ? Number(value)
      : wrong(name, value, 'a whole number from 0 (all) to 999999999');
  };

export const choice =
  <const T extends string>(...words: readonly T[]): Parameter<T> =>
  (value, name) =>
    words.find((w) => w === value) ?? wrong(name, value ?? 'nothing', words.join(', '));

/** A parameter with a default. */
export const or =
  <const T>(fallback: T, read: Parameter<T>): Parameter<T> =>
  (value, name) =>
    value === null ? fallback : read(value, name);

/** All parameters of a request; one that is unknown or given twice is refused. */
export const query = <const P extends Readonly<Record<string, Parameter<unknown>>>>(
  given: URLSearchParams,
  known: P,
): { readonly [K in keyof P]: ReturnType<P[K]> } => {
  for (const name of new Set(given.keys())) {
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known).join(', ');
      throw new RequestError(
        'KS_API_QUERY',
        `unknown parameter '${name.slice(0, 60)}'; ${names === '' ? 'there is none' : `there is ${names}`}`,
      );
    }
    if (given.getAll(name).length > 1)
      throw new RequestError('KS_API_QUERY', `${name} is given twice`);
  }
  return Object.fromEntries(
    Object.entries(known).map(([name, read]) => [name, read(given.get(name), name)]),
  ) as { readonly [K in keyof P]: ReturnType<P[K]> };
};
