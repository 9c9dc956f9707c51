/** Instances as a process of another version writes them: what it does not know has its default. */
import { type InstanceConfig, instanceDefaults } from './messages.js';

/** Every option that is missing takes its default; what is there is left as it is. */
export const completeInstance = (c: InstanceConfig): InstanceConfig => ({
  ...instanceDefaults,
  ...c,
  garp: { ...instanceDefaults.garp, ...c.garp },
});
