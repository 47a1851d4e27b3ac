import t from 'tap';
import type { App, AppMessage } from './test-app.js';
import {
  connectApp,
  disconnect,
  notDrachtio,
  sdp,
  startPhone,
  startServer,
  type Teardown,
  until,
  uriOf,
} from './test-rig.js';

/** An application that takes call records, one line each: `stop network normal-release BYE`. */
async function recorder(t: Teardown, server: Awaited<ReturnType<typeof startServer>>, setUp: (srf: App) => void) {
  const records: string[] = [];
  const keep =
    (type: string) =>
    (...args: unknown[]): void => {
      const message = args.pop() as AppMessage & { method: string };
      const [source, time, ...facts] = args as string[];
      if (!/^\d\d:\d\d:\d\d\.\d{6}$/.test(time ?? '')) throw new Error(`no time: ${time}`);
      const what = message.type === 'response' ? message.status : message.method;
      records.push([type, source, ...facts, what].join(' '));
    };
  await connectApp(t, server, (srf) => {
    setUp(srf);
    for (const type of ['attempt', 'start', 'stop']) srf.on(`cdr:${type}`, keep(type));
  });
  return records;
}

async function have(records: string[], wanted: string[], t: { same(a: unknown, b: unknown): void }): Promise<void> {
  await until(() => records.length >= wanted.length);
  t.same(records.splice(0), wanted);
}

t.test('cdr: calls of the network: answered, refused, given up', async (t) => {
  const server = await startServer(t);
  const answering = (srf: App): void => {
    srf.invite(async (req, res) => {
      if (req.calledNumber === '100') await srf.createUAS(req, res, { localSdp: sdp(2) });
      else if (req.calledNumber === '200') res.send(486);
      else res.send(180);
    });
  };
  const records = await recorder(t, server, answering);
  const phone = await startPhone(t);
  const call = await phone.invite({ uri: uriOf(server, '100'), sdp: sdp(1) }).answered;
  await call.bye();
  await have(records, ['attempt network INVITE', 'start application uas 200', 'stop network normal-release BYE'], t);
  await phone.invite({ uri: uriOf(server, '200'), sdp: sdp(1) }).answered.catch(() => undefined);
  await have(records, ['attempt network INVITE', 'stop application call-rejected 486'], t);
  const given = phone.invite({ uri: uriOf(server, '300'), sdp: sdp(1) });
  given.on('progress', () => given.cancel());
  await given.answered.catch(() => undefined);
  await until(() => records.length === 2);
  t.match(records, ['attempt network INVITE', /^stop network call-canceled /]);
});

t.test('cdr: calls of an application', async (t) => {
  const server = await startServer(t);
  let app: App | undefined;
  const records = await recorder(t, server, (srf) => {
    app = srf;
  });
  const phone = await startPhone(t);
  let busy = false;
  phone.onInvite((call) => void (busy ? call.reject(486) : call.accept(sdp(1))));
  const dialog = await app!.createUAC(phone.contactUri(), { localSdp: sdp(2) });
  await dialog.destroy();
  await have(
    records,
    ['attempt application INVITE', 'start network uac 200', 'stop application normal-release BYE'],
    t,
  );
  busy = true;
  await app!.createUAC(phone.contactUri(), { localSdp: sdp(2) }).catch(() => undefined);
  await have(records, ['attempt application INVITE', 'stop network call-rejected 486'], t);
});

t.test('cdr: a call whose application is lost is stopped by the system (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const records = await recorder(t, server, () => {});
  const app = await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void srf.createUAS(req, res, { localSdp: sdp(2) }));
  });
  const phone = await startPhone(t);
  await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await until(() => records.length === 2);
  disconnect(app);
  await until(() => records.length === 3);
  t.equal(records[2], 'stop application system-initiated-termination BYE');
});

t.test('cdr: those who take records have their turns', async (t) => {
  const server = await startServer(t);
  const first = await recorder(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  const second = await recorder(t, server, () => {});
  const phone = await startPhone(t);
  for (let i = 0; i < 4; i++) {
    await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered.catch(() => undefined);
  }
  await until(() => first.length + second.length === 8);
  t.equal(first.length, 4);
  t.equal(second.length, 4);
});
