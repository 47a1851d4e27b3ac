import t from 'tap';
import { parseDtmfInfo } from './dtmf-info.js';

t.test('digits are read from dtmf-relay and from plain dtmf', (t) => {
  const relay = 'application/dtmf-relay';
  t.same(parseDtmfInfo(relay, 'Signal=5\r\nDuration=160\r\n'), { key: '5', durationMs: 160 });
  t.same(parseDtmfInfo(relay, 'Signal= #\nDuration= 250'), { key: '#', durationMs: 250 });
  t.same(parseDtmfInfo('Application/DTMF-Relay;x=y', 'signal=11'), { key: '#' });
  t.same(parseDtmfInfo(relay, 'Signal=a'), { key: 'A' });
  t.same(parseDtmfInfo('application/dtmf', '7'), { key: '7' });
  t.end();
});

t.test('anything else is no digit', (t) => {
  t.equal(parseDtmfInfo('application/media_control+xml', 'Signal=5'), undefined);
  t.equal(parseDtmfInfo('application/dtmf-relay', ''), undefined);
  t.equal(parseDtmfInfo('application/dtmf-relay', 'Signal=55'), undefined);
  t.equal(parseDtmfInfo('', ''), undefined);
  t.end();
});
