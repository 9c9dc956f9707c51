/** Entry of the healthcheck process; everything it does is in io/process.ts. */
import { runHealthcheckProcess } from './io/process.js';

await runHealthcheckProcess();
