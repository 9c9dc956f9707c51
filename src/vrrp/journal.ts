/** The journal of the vrrp process: one machine a group, replayed by `keelson replay` (law 10). */
import { plainKind, type ReplayKind } from '../kernel/journal.js';
import { type GroupState, type MemberEffect, type MemberInput, syncGroup } from './syncgroup.js';

export const vrrpKind: ReplayKind<GroupState, MemberInput, MemberEffect> = plainKind(
  'vrrp',
  syncGroup,
);
