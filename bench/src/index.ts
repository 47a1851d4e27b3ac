export { formatReport, percentile, type RateResult, type SetupReport } from './report.js';
