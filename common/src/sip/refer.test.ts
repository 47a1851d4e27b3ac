import t from 'tap';
import { withHostOf } from './refer.js';

t.test('whom a far end is to call: numbers at an address of ours are numbers at its own', (t) => {
  const called = 'sip:+4930@gateway.example.com:5070;transport=tcp';
  t.equal(withHostOf('sip:+15551@10.0.0.5', called), 'sip:+15551@gateway.example.com:5070');
  t.equal(withHostOf('sip:+15551@10.0.0.5:5060;user=phone', called), 'sip:+15551@gateway.example.com:5070;user=phone');
  t.equal(withHostOf('sip:alice@example.org', called), 'sip:alice@example.org');
  t.equal(withHostOf('tel:+15551', called), 'tel:+15551');
  t.equal(withHostOf('sip:+15551@10.0.0.5', 'tel:+4930'), 'sip:+15551@10.0.0.5');
  t.end();
});
