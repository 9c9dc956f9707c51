/** Keelson's version, from package.json. */
import { createRequire } from 'node:module';

// From dist/src/kernel/io to the root of the tree.
export const version = (
  createRequire(import.meta.url)('../../../../package.json') as { readonly version: string }
).version;
