/** A client that knows the node's inside. */
import { machine } from '../vrrp/machine.js';

export const ask = machine;
