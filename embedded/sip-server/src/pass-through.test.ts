import t from 'tap';
import { connectApp, sdp, startPhone, startServer, until, uriOf } from './test-rig.js';

/** Headers that are between the application and its peers (RFC 3323, 3325, 3327, 3515, 3892, 7315), and one of nobody's. */
const HEADERS: Record<string, string> = {
  'P-Asserted-Identity': '"Ana" <sip:+15550100@ringwire.test>',
  'P-Preferred-Identity': '<sip:ana@ringwire.test>',
  Privacy: 'id;header',
  'Referred-By': '<sip:bob@ringwire.test>',
  'P-Charging-Vector': 'icid-value="1234";orig-ioi=home1.net',
  'X-Unknown': 'a, b;c="d, e"',
};
const NAMES = Object.keys(HEADERS);

t.test(
  'headers: privacy, identity, charging and unknown ones reach the application unharmed, and a callee',
  async (t) => {
    const server = await startServer(t);
    const seen: Array<string | undefined> = [];
    const srf = await connectApp(t, server, (srf) => {
      srf.invite((req, res) => {
        seen.push(...NAMES.map((name) => req.get(name)));
        res.send(603, { headers: HEADERS });
      });
    });
    const phone = await startPhone(t);
    const refused = await phone
      .invite({ uri: uriOf(server), sdp: sdp(1), headers: HEADERS })
      .answered.catch((err: unknown) => err);
    const { response } = refused as { response: { get(name: string): string | undefined } };
    t.same(seen, Object.values(HEADERS), 'caller to application');
    t.same(
      NAMES.map((name) => response.get(name)),
      Object.values(HEADERS),
      'application to caller',
    );
    const called: Array<string | undefined> = [];
    phone.onInvite((call) => {
      called.push(...NAMES.map((name) => call.request.get(name)));
      call.reject(486);
    });
    await srf.createUAC(phone.contactUri(), { localSdp: sdp(1), headers: HEADERS }).catch(() => undefined);
    t.same(called, Object.values(HEADERS), 'application to callee');
  },
);

t.test('PUBLISH: goes to an application with its entity tag, and the new one back', async (t) => {
  const server = await startServer(t);
  const bodies: string[] = [];
  await connectApp(t, server, (srf) => {
    srf.publish((req, res) => {
      bodies.push(req.body);
      res.send(200, { headers: { 'SIP-ETag': `${req.get('SIP-If-Match')}2`, Expires: req.get('Expires') ?? '' } });
    });
  });
  const phone = await startPhone(t);
  const headers = { Event: 'presence', Expires: '60', 'SIP-If-Match': 'dx200' };
  const content = { body: '<presence/>', contentType: 'application/pidf+xml' };
  const answer = await phone.request({ method: 'PUBLISH', uri: uriOf(server), headers, content });
  t.same([answer?.status, answer?.get('SIP-ETag'), answer?.get('Expires')], [200, 'dx2002', '60']);
  await until(() => bodies.length === 1);
  t.same(bodies, ['<presence/>']);
});
