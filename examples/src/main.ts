/** Runs the examples. `HTTP_HOST` (default 127.0.0.1) and `HTTP_PORT` (default 3000; 0 takes a free port) say where. */
import type { AddressInfo } from 'node:net';
import { createExamples } from './app.js';

/** Ends the process with a sentence instead of a stack trace. */
function fail(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const host = process.env.HTTP_HOST || '127.0.0.1';
const portText = process.env.HTTP_PORT || '3000';
const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
if (!(port <= 65535)) fail(`HTTP_PORT must be a port number from 0 to 65535, got "${portText}"`);

const server = createExamples().listen(port, host);
server.on('error', (error) => fail(`cannot listen on ${host}:${port}: ${error.message}`));
server.on('listening', () => {
  const address = server.address() as AddressInfo;
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const url = `http://${name}:${address.port}`;
  console.log(`examples listen on ${url}`);
  process.send?.({ type: 'ready', url });
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  // Requests that are being answered finish; idle connections are closed; then nothing keeps the process alive.
  process.once(signal, () => server.close());
}
