/** Entry of the vrrp process, started by the supervisor; messages.ts is its contract. */
import { processOptions } from '../kernel/io/process-options.js';
import { runVrrp } from './io/process.js';

await runVrrp(processOptions());
