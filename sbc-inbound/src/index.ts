export { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
