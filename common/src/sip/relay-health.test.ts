import t from 'tap';
import { RelayUnreachableError } from '../media-relay/errors.js';
import { directRelay } from '../media-relay/media-relay.js';
import { recordingLogger } from '../testing/logger.js';
import { relayHealth } from './relay-health.js';

const where = { host: '192.0.2.9', port: 22_222 };

t.test('an rtpengine that does not answer at the start is a warning that names its variables', async (t) => {
  const { logger, lines } = recordingLogger();
  const ping = async (): Promise<void> => {
    throw new RelayUnreachableError('rtpengine does not answer');
  };
  const health = relayHealth({ ...directRelay(), ping }, where, logger);
  t.equal(await health.answers(), false);
  const warning = lines.find(({ level }) => level === 40);
  t.match(warning, { RTPENGINE_HOST: '192.0.2.9', RTPENGINE_PORT: 22_222 });
  t.match(warning?.msg, 'check RTPENGINE_HOST and RTPENGINE_PORT');
});

t.test('an rtpengine that answers is nothing to speak of, and is asked once for many questions', async (t) => {
  const { logger, lines } = recordingLogger();
  let pings = 0;
  const ping = async (): Promise<void> => {
    pings++;
  };
  const health = relayHealth({ ...directRelay(), ping }, where, logger);
  t.same(await Promise.all([health.answers(), health.answers()]), [true, true]);
  t.equal(pings, 1);
  await health.answers();
  t.equal(pings, 2);
  t.same(lines, []);
});
