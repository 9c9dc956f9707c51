// The import rule of ARCHITECTURE.md:
// kernel <- net <- {config, vrrp, healthcheck, bgp, ospf, bfd, dataplane} <- cluster <- api <- node, main; cli knows only the API.
const layers = [
  ['kernel'],
  ['net'],
  ['config', 'vrrp', 'healthcheck', 'bgp', 'ospf', 'bfd', 'dataplane'],
  ['cluster'],
  ['api'],
  ['node'],
];

const folders = (names) => `^src/(${names.join('|')})/`;

// What a folder may see besides itself: every lower layer. Siblings of one layer do not see each other.
const downward = layers.flatMap((layer, height) =>
  layer.map((name) => ({
    name: `${name}-sees-only-lower-layers`,
    comment: `src/${name} may import itself and ${layers.slice(0, height).flat().join(', ') || 'nothing else'}`,
    severity: 'error',
    from: { path: folders([name]) },
    to: {
      path: '^src/',
      pathNot: folders([name, ...layers.slice(0, height).flat()]),
    },
  })),
);

module.exports = {
  forbidden: [
    ...downward,
    {
      name: 'cli-knows-only-the-api',
      comment: 'the client sees the API types and nothing of the node that serves them',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/', pathNot: '^src/(cli/|api/views\\.ts$)' },
    },
    {
      name: 'no-cycles',
      comment: 'types may name each other; code that runs may not need itself',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'unknown-folder',
      comment: 'a new folder of src/ needs its place in the layers above',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/[^/]+$', folders([...layers.flat(), 'cli', 'web'])] },
      to: {},
    },
    {
      name: 'no-tests-in-the-product',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
    {
      name: 'declared-packages-only',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: require('node:path').join(__dirname, 'tsconfig.json') },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js'], conditionNames: ['import', 'node'] },
  },
};
