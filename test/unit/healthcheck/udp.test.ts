import test from 'ava';
import fc from 'fast-check';
import { judgeReply, udpPayload } from '../../../src/healthcheck/udp.js';
import { udp } from './samples.js';

const reply = Uint8Array.of(0xde, 0xad, 0xbe, 0xef);

test('the payload is hex digits, or a text of ours', (t) => {
  t.deepEqual([...udpPayload({ ...udp, payload: '00ff10' })], [0, 255, 16]);
  t.true(udpPayload(udp).length > 0);
});

test('a reply is compared with the mask, in which x fits every digit', (t) => {
  const judged = (requireReply: string) => judgeReply({ ...udp, requireReply }, reply);
  t.is(judged('deadbeef'), null);
  t.is(judged('DExxbe'), null);
  t.is(judged(''), null);
  t.deepEqual(judged('deadbeee'), { type: 'reply' });
  t.deepEqual(judged('deadbeefxx'), { type: 'reply' });
});

test('lengths bind only where a reply is required', (t) => {
  const bounds = { ...udp, minReplyLength: 5, maxReplyLength: 6 };
  t.is(judgeReply(bounds, reply), null);
  t.deepEqual(judgeReply({ ...bounds, requireReply: '' }, reply), {
    type: 'protocol',
    what: 'a reply of 4 bytes',
  });
});

test('law: every reply fits its own hex as a mask', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 255 }), (b) => {
      const requireReply = [...b].map((x) => x.toString(16).padStart(2, '0')).join('');
      return judgeReply({ ...udp, requireReply }, b) === null;
    }),
  );
  t.pass();
});
