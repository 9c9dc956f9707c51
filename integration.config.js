// Tests with real processes, sockets and namespaces; one file after the other. `ava --config integration.config.js`
// Limits grow with the load of the machine; npm test also limits each file (scripts/runner/integration.ts).
import { patience } from './dist/test/support/patience.js';

export default {
  files: ['test/interop/**/*.test.ts', 'test/scenarios/**/*.test.ts'],
  typescript: {
    compile: false,
    rewritePaths: { 'src/': 'dist/src/', 'test/': 'dist/test/', 'scripts/': 'dist/scripts/' },
  },
  concurrency: 1,
  serial: true,
  timeout: `${Math.ceil(300 * patience())}s`,
};
