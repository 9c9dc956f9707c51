// Unit tests: no root, no network. Compiled by tsc before. Limits grow with the load of the machine.
import { patience } from './dist/test/support/patience.js';

export default {
  files: ['test/unit/**/*.test.ts'],
  typescript: {
    compile: false,
    rewritePaths: { 'src/': 'dist/src/', 'test/': 'dist/test/', 'scripts/': 'dist/scripts/' },
  },
  timeout: `${Math.ceil(120 * patience())}s`,
};
