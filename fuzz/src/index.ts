export { type FuzzOptions, type FuzzSummary, formatSummary, runSipFuzz } from './run.js';
