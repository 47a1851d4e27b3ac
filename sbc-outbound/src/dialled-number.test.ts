import { DEFAULT_OUTBOUND_RULES } from '@ringwire/common';
import { carrier } from '@ringwire/sbc-inbound/testing/snapshots.js';
import t from 'tap';
import { dialledNumber } from './dialled-number.js';

t.test(
  'plain: digits as they are, a plus only where the carrier wants it and the number can be international',
  async (t) => {
    const plain = carrier('c');
    t.equal(dialledNumber('+4930123456', plain), '4930123456');
    t.equal(dialledNumber('100', plain), '100');
    const plus = carrier('c', { e164LeadingPlus: true });
    t.equal(dialledNumber('4930123456', plus), '+4930123456');
    t.equal(dialledNumber('+4930123456', plus), '+4930123456');
    t.equal(dialledNumber('030123456', plus), '030123456');
  },
);

t.test('the tech prefix stands before everything', async (t) => {
  t.equal(dialledNumber('4930123456', carrier('c', { techPrefix: '77#', e164LeadingPlus: true })), '77#+4930123456');
});

t.test('national: at home with the national prefix, abroad with the international one or a plus', async (t) => {
  const rules = { ...DEFAULT_OUTBOUND_RULES, countryCode: '49', nationalPrefix: '0', internationalPrefix: '00' };
  const german = carrier('c', { outboundRules: rules });
  t.equal(dialledNumber('+4930123456', german), '030123456');
  t.equal(dialledNumber('33140000000', german), '0033140000000');
  t.equal(dialledNumber('110', german), '110', 'a short number is no international one');
  t.equal(dialledNumber('030123456', german), '030123456');
  const plus = carrier('c', { outboundRules: { ...rules, internationalPrefix: '' }, e164LeadingPlus: true });
  t.equal(dialledNumber('33140000000', plus), '+33140000000');
});
