import { newApp } from './test-app.js';
import { sdp } from './test-rig.js';

/**
 * An application in a process of its own, so that it can be killed: answers INVITEs after 200 ms with its media port.
 * Arguments: control port, media port. Says 'ready' to its parent when it takes calls.
 */
const [controlPort, mediaPort] = process.argv.slice(2).map(Number);
const srf = newApp();
srf.invite((req, res) => {
  setTimeout(() => {
    srf.createUAS(req, res, { localSdp: sdp(mediaPort!) }).catch(() => undefined);
  }, 200);
});
srf.on('error', () => process.exit(1));
srf.on('connect', () => process.send?.('ready'));
srf.connect({ host: '127.0.0.1', port: controlPort!, secret: 'cymru' });
