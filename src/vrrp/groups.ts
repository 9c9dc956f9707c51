/** From a configuration to the groups that are driven: sync groups, and every other instance as a group of one. */
import type { InstanceConfig, SyncGroupConfig } from './messages.js';
import { initial, type State } from './state.js';
import type { GroupState } from './syncgroup.js';

/** What an instance is, whatever its name (keepalived matches the same way at a reload). */
export const identityOf = (c: InstanceConfig): string => `${c.interface} ${c.vrid}`;

export interface PlannedGroup {
  readonly key: string;
  readonly name: string;
  readonly instances: readonly InstanceConfig[];
}

/** An instance in two groups stays in the first; unknown names are left out, as the config core has told. */
export function planGroups(
  instances: readonly InstanceConfig[],
  groups: readonly SyncGroupConfig[],
): readonly PlannedGroup[] {
  const byName = new Map(instances.map((i) => [i.name, i]));
  const planned: PlannedGroup[] = [];
  for (const g of groups) {
    const members = g.members.flatMap((name) => {
      const found = byName.get(name);
      byName.delete(name);
      return found === undefined ? [] : [found];
    });
    if (members.length > 0)
      planned.push({ key: `group ${g.name}`, name: g.name, instances: members });
  }
  for (const i of byName.values())
    planned.push({ key: identityOf(i), name: i.name, instances: [i] });
  return planned;
}

/** Members keep the state they had, in whatever group it was. */
export const groupState = (
  g: PlannedGroup,
  known: (identity: string) => State | undefined,
): GroupState => ({
  name: g.name,
  members: Object.fromEntries(
    g.instances.map((c) => [identityOf(c), known(identityOf(c)) ?? initial(c)]),
  ),
});

export const sameMembers = (state: GroupState, g: PlannedGroup): boolean => {
  const keys = Object.keys(state.members);
  return (
    state.name === g.name &&
    keys.length === g.instances.length &&
    g.instances.every((c) => state.members[identityOf(c)] !== undefined)
  );
};
