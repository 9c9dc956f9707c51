/** What is known of the machine a node runs on: a value, so that the checks stay pure. */

export interface MachineInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number }[];
}

export interface Machine {
  /** CPUs that are on. */
  readonly cpus: readonly number[];
  readonly interfaces: readonly MachineInterface[];
}
