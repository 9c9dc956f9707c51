/**
 * Which Debian packages the tests may rely on: those that scripts/packages names, what these depend on directly, and
 * the essential ones. Pure; test/support/programs/programs.ts asks dpkg.
 */

/** The packages of scripts/packages: `group package` a line, `#` begins a comment. */
export const namedPackages = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/)[1])
    .filter((name) => name !== undefined);

/** A row of `dpkg-query -W`, see `rowFormat`. */
export interface Installed {
  readonly name: string;
  readonly essential: boolean;
  /** Direct dependencies; every alternative is one. */
  readonly needs: readonly string[];
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: fields of dpkg-query, not of JavaScript.
export const rowFormat = '${Package}\\t${Essential}\\t${Depends}, ${Pre-Depends}\\n';

const readRow = (row: string): Installed => {
  const [name = '', essential, needs = ''] = row.split('\t');
  return {
    name,
    essential: essential === 'yes',
    needs: needs
      .split(/[,|]/)
      .map((need) => need.trim().replace(/[ :(].*/, ''))
      .filter((need) => need !== ''),
  };
};

export const readInstalled = (text: string): readonly Installed[] =>
  text
    .split('\n')
    .filter((row) => row !== '')
    .map(readRow);

/** Every package whose programs are there once scripts/setup has run. */
export const reliable = (
  named: readonly string[],
  installed: readonly Installed[],
): ReadonlySet<string> => {
  const isNamed = new Set(named);
  return new Set([
    ...named,
    ...installed.filter((p) => isNamed.has(p.name)).flatMap((p) => p.needs),
    ...installed.filter((p) => p.essential).map((p) => p.name),
  ]);
};

/** Package by file from the output of `dpkg -S`: `package[:arch][, package]: file`. */
export const readOwners = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line.includes(': ') && !line.startsWith('diversion by'))
    .flatMap((line) => line.slice(0, line.indexOf(': ')).split(', '))
    .map((owner) => owner.replace(/:.*/, ''));

/**
 * The programs that a command line starts, as indexes into it: a wrapper and what it runs. A script given to a shell
 * is not looked into.
 */
export const programsOf = (argv: readonly string[]): readonly number[] => {
  const from = (at: number): readonly number[] => {
    const rest = argv.slice(at);
    if (rest.length === 0) return [];
    if (rest[0] === 'ip' && rest[1] === 'netns' && rest[2] === 'exec') return [at, ...from(at + 4)];
    if (rest[0] === 'timeout') return [at, ...from(at + 2)];
    if (rest[0] === 'setpriv') {
      const next = rest.findIndex((word, i) => i > 0 && !word.startsWith('-'));
      return next < 0 ? [at] : [at, ...from(at + next)];
    }
    return [at];
  };
  return from(0);
};

export const notNamed = (program: string, file: string, owners: readonly string[]): string =>
  `${program} (${file}) belongs to the Debian package ${[...new Set(owners)].join(' or ')}, which ` +
  'scripts/packages does not name: add it there, so that scripts/setup installs it';

export const unowned = (program: string, file: string): string =>
  `${program} (${file}) belongs to no Debian package: a test starts programs of the packages that ` +
  'scripts/setup installs, of this checkout, or ones it has compiled itself';

export const notFound = (program: string, directories: readonly string[]): string =>
  `${program} is in none of ${directories.join(', ')}: run scripts/setup; if it does not install ` +
  `${program}, add its Debian package to scripts/packages`;
