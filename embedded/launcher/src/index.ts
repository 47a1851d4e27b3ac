export * from './errors.js';
export { type Address, type DemoNumber, type InstanceDescription, instanceFile } from './instance.js';
export type { LauncherProgress } from './parts.js';
export { type Platform, type StartPlatformOptions, startPlatform } from './start-platform.js';
