export { formatReport, type RateResult, type SetupReport } from './report.js';
export type { SipReport } from './sip/sip-report.js';
export { percentile } from './table.js';
