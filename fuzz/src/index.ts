export { formatMediaSummary, type MediaFuzzOptions, type MediaFuzzSummary, runMediaFuzz } from './media/run-media.js';
export { type FuzzOptions, type FuzzSummary, formatSummary, runSipFuzz } from './run.js';
