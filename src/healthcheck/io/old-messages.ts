/** For a cluster machine that does not know `states` yet; goes away with it. */
import type { FromHealthcheck, ToHealthcheck } from '../messages.js';
import type { HealthClient } from '../service.js';

type Send = (m: FromHealthcheck) => void;

export function withOldMessages(send: Send, attach: (send: Send) => HealthClient): HealthClient {
  const weights = new Map<string, number>();
  const client = attach((m) => {
    if (m.type === 'states') {
      for (const { delta, ...rs } of m.realServers) {
        const weight = Math.max(0, (weights.get(`${rs.vs} ${rs.rs}`) ?? 0) + delta);
        send({ type: 'realServer', ...rs, weight });
      }
      for (const vs of m.virtualServers) send({ type: 'virtualServer', ...vs });
    }
    send(m);
  });
  return {
    ...client,
    receive: (m: ToHealthcheck) => {
      if (m.type === 'configure')
        for (const vs of m.virtualServers)
          for (const rs of vs.realServers) weights.set(`${vs.id} ${rs.id}`, rs.weight);
      client.receive(m);
    },
  };
}
