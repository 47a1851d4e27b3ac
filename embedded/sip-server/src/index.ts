export { readArguments, type SipServerOptions, USAGE } from './arguments.js';
export { type SipServer, type SipServerSurroundings, startSipServer } from './server.js';
