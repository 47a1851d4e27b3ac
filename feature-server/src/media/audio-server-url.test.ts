import t from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { audioServerAddress } from './audio-server-url.js';

const BASE = 'https://app.example.com/hook';
const strict = new AddressGuard({ allowPrivate: false });
const open = new AddressGuard({ allowPrivate: true });

t.test(
  'audio server: a name without an address is refused where private ones are, as it might have one later',
  async (t) => {
    await t.rejects(audioServerAddress('ws://nobody.invalid/audio', BASE, strict), {
      code: 'hook/forbidden',
      message: /nobody\.invalid has no address/,
    });
    t.strictSame(await audioServerAddress('ws://nobody.invalid/audio', BASE, open), {
      url: 'ws://nobody.invalid/audio',
    });
  },
);

t.test('audio server: a name goes with the addresses that were judged, an address by itself', async (t) => {
  const loopback = new AddressGuard({ allowPrivate: 'loopback' });
  const { addresses = [] } = await audioServerAddress('ws://localhost/audio', BASE, loopback);
  t.ok(addresses.length > 0);
  t.strictSame(await audioServerAddress('wss://8.8.8.8/audio', BASE, strict), { url: 'wss://8.8.8.8/audio' });
  t.strictSame(await audioServerAddress('ws://[2606:4700::1111]/audio', BASE, strict), {
    url: 'ws://[2606:4700::1111]/audio',
  });
  await t.rejects(audioServerAddress('ws://localhost/audio', BASE, strict), { code: 'hook/forbidden' });
});
