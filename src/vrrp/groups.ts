/** From a configuration to the groups that are driven: sync groups, others as groups of one. */
import { type RouterId, routerId } from './identity.js';
import type { InstanceConfig, SyncGroupConfig } from './messages.js';
import { initial, type State } from './state.js';
import type { GroupState } from './syncgroup.js';

export interface PlannedGroup {
  /** The first member's id: two groups may have the same name. */
  readonly key: RouterId;
  readonly name: string;
  readonly instances: readonly InstanceConfig[];
}

/** A member of two groups stays in the first; unknown members are left out. */
export function planGroups(
  instances: readonly InstanceConfig[],
  groups: readonly SyncGroupConfig[],
): readonly PlannedGroup[] {
  const byId = new Map(instances.map((i) => [routerId(i), i]));
  const planned: PlannedGroup[] = [];
  for (const g of groups) {
    const members = g.members.flatMap((id) => {
      const found = byId.get(id);
      byId.delete(id);
      return found === undefined ? [] : [found];
    });
    const [first] = members;
    if (first !== undefined)
      planned.push({ key: routerId(first), name: g.name, instances: members });
  }
  for (const i of byId.values()) planned.push({ key: routerId(i), name: i.name, instances: [i] });
  return planned;
}

/** Members keep the state they had, in whatever group it was. */
export const groupState = (
  g: PlannedGroup,
  known: (id: RouterId) => State | undefined,
  fresh: (config: InstanceConfig) => State = initial,
): GroupState => ({
  name: g.name,
  members: Object.fromEntries(
    g.instances.map((c) => {
      // An obstacle of a former group is none of the new one's.
      const state = known(routerId(c)) ?? fresh(c);
      return [routerId(c), { ...state, groupObstacle: null }];
    }),
  ),
});

export const sameMembers = (state: GroupState, g: PlannedGroup): boolean => {
  const keys = Object.keys(state.members);
  return (
    state.name === g.name &&
    keys.length === g.instances.length &&
    g.instances.every((c) => state.members[routerId(c)] !== undefined)
  );
};
