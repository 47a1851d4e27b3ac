import t from 'tap';
import { nextHopOf } from './srs-address.js';

t.test(
  'SIPREC: what follows the answer of a recording server goes to its last Record-Route, else to its Contact',
  async (t) => {
    const hop = (headers: Record<string, string>): string => nextHopOf({ get: (name: string) => headers[name] });
    t.equal(
      hop({ Contact: '<sip:srs@192.0.2.1:5070;transport=tcp>;+sip.srs;+sip.instance="<urn:uuid:1>"' }),
      'sip:srs@192.0.2.1:5070;transport=tcp',
    );
    t.equal(hop({ Contact: '"a <sip:b@c>, \\"d" <sip:srs@10.0.0.5>' }), 'sip:srs@10.0.0.5');
    t.equal(hop({ Contact: 'sip:srs@10.0.0.5;expires=1' }), 'sip:srs@10.0.0.5');
    const route = '<sip:10.0.0.1;lr>,<sip:192.0.2.9;lr>';
    t.equal(hop({ Contact: '<sip:srs@10.0.0.5>', 'Record-Route': route }), 'sip:192.0.2.9;lr');
    for (const bad of ['', '<sip:a@b>,<sip:c@d>', 'sip:a@b,sip:c@d']) t.equal(hop({ Contact: bad }), '', bad);
  },
);
