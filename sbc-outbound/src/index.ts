export { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
