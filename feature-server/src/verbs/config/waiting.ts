import type { ConfigPart } from './part.js';

/** What the caller hears while something is awaited. */
export const waiting: ConfigPart = {
  properties: ['fillerNoise', 'actionHookDelayAction', 'onHoldMusic'],
  apply({ defaults }, { fillerNoise, actionHookDelayAction, onHoldMusic }) {
    if (fillerNoise) defaults.fillerNoise = fillerNoise;
    if (actionHookDelayAction) defaults.actionHookDelay = actionHookDelayAction;
    if (onHoldMusic !== undefined) defaults.onHoldMusic = onHoldMusic;
  },
};
