/** Half of a cycle, in a folder without a place. */
import { b } from './b.js';

export const a = (): string => b();
