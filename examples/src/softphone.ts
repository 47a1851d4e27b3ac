/**
 * softphone: a telephone in a web page. No webhook: the page talks SIP over a WebSocket to the platform itself, see docs/webrtc.md.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import express, { Router } from 'express';

const FOLDER = fileURLToPath(new URL('../softphone/', import.meta.url));

let bundle: Promise<string> | undefined;

/** The page's script with JsSIP in it, made once. */
function bundleScript(): Promise<string> {
  bundle ??= build({
    entryPoints: [`${FOLDER}softphone.js`],
    bundle: true,
    write: false,
    format: 'iife',
    define: { global: 'window' },
    logLevel: 'silent',
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? '');
  bundle.catch(() => {
    bundle = undefined;
  });
  return bundle;
}

/** `GET /softphone/`: the page. */
export const softphone: Router = Router();

softphone.get('/softphone/softphone.js', async (_request, response) => {
  response.type('js').send(await bundleScript());
});
softphone.use('/softphone', express.static(FOLDER));
