export { createExamples } from './app.js';
