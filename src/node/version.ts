/** Keelson's version, as package.json says it. */
import { createRequire } from 'node:module';

// From dist/src/node to the root of the tree.
export const version = (
  createRequire(import.meta.url)('../../../package.json') as { readonly version: string }
).version;
