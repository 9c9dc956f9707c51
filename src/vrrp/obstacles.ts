/** What keeps a router from taking part in the election: its own surroundings, or its sync group. */
import type { Obstacle, State } from './state.js';

const dataplaneObstacle = (s: State): Obstacle | null => {
  const { dataplane, service } = s;
  if (dataplane === null) return { kind: 'wait', reason: 'not connected to the data plane yet' };
  if (dataplane.bootId === null) return { kind: 'away', reason: dataplane.reason };
  if (service === null)
    return { kind: 'wait', reason: 'the controller has not reported on the data plane yet' };
  return service.bootId === dataplane.bootId
    ? null
    : { kind: 'away', reason: 'the data plane was restarted and is not configured yet' };
};

const linkObstacle = (s: State): Obstacle | null => {
  const { config, link } = s;
  if (link === null)
    return { kind: 'wait', reason: `state of interface ${config.interface} not known yet` };
  if (!link.up && !config.dontTrackPrimary) return { kind: 'link', reason: link.reason };
  if (s.source !== null && !s.sourceLost) return null;
  const word = config.family === 'inet' ? 'IPv4' : 'IPv6';
  return {
    kind: 'link',
    reason: `interface ${config.interface} has no ${word} address: add one, or set mcast_src_ip`,
  };
};

const resumeObstacle = (s: State): Obstacle | null =>
  s.resume !== null && s.resume.renewedAt === null
    ? { kind: 'wait', reason: 'asks the data plane for its leases' }
    : null;

/** The member's own; a sync group passes it on to the others. */
export const ownObstacle = (s: State): Obstacle | null => {
  if (!s.started) return { kind: 'wait', reason: 'not started' };
  const dataplane = dataplaneObstacle(s);
  // The interface goes with the data plane; the cause is reported, not what follows from it.
  if (dataplane?.kind === 'away') return dataplane;
  const found = linkObstacle(s) ?? dataplane;
  if (found !== null) return found;
  if (s.service?.ok === false) return { kind: 'fault', reason: s.service.reason };
  return resumeObstacle(s);
};

export const obstacle = (s: State): Obstacle | null => ownObstacle(s) ?? s.groupObstacle;
