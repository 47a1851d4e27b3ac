export { type CustomerApplication, startCustomerApplication } from './support/customer-application.js';
export { openPlatform } from './support/platform.js';
export { TestPlatform } from './support/test-platform.js';
