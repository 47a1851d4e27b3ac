export * from './errors.js';
export * from './events/types.js';
export * from './redis/keys.js';
