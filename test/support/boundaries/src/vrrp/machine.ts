/** One sibling that imports the other. */
import { probe } from '../healthcheck/probe.js';

export const machine = probe;
