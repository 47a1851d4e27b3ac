export { type FeatureServerConfig, featureServerVars } from './config.js';
export { type FeatureServer, type FeatureServerOptions, startFeatureServer } from './feature-server.js';
