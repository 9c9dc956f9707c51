/** Entry of the vrrp process, forked by the controller (serialization 'advanced'); see messages.ts for the contract. */
import { runVrrp } from './io/child.js';

await runVrrp();
