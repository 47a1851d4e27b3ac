export { readOptions, type ServerOptions } from './options.js';
export { type MediaServer, startMediaServer } from './server.js';
