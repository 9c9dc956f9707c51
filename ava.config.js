// Unit tests: no root, no network. Compiled by tsc before.
export default {
  files: ['test/unit/**/*.test.ts'],
  typescript: {
    compile: false,
    rewritePaths: { 'src/': 'dist/src/', 'test/': 'dist/test/', 'scripts/': 'dist/scripts/' },
  },
  timeout: '2m',
};
