// Tests with real processes, sockets and namespaces; one file after the other. `ava --config integration.config.js`
export default {
  files: ['test/interop/**/*.test.ts', 'test/scenarios/**/*.test.ts'],
  typescript: {
    compile: false,
    rewritePaths: { 'src/': 'dist/src/', 'test/': 'dist/test/', 'scripts/': 'dist/scripts/' },
  },
  concurrency: 1,
  serial: true,
  timeout: '3m',
};
