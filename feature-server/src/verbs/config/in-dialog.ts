import type { ConfigPart } from './part.js';

/** Who is asked about requests of the far end within the call; an empty text: nobody any more. */
export const inDialog: ConfigPart = {
  properties: ['sipRequestWithinDialogHook', 'referHook'],
  apply({ dialog }, { sipRequestWithinDialogHook, referHook }) {
    if (sipRequestWithinDialogHook !== undefined) dialog.setRequestHook(sipRequestWithinDialogHook || undefined);
    if (referHook !== undefined) dialog.setReferHook(referHook || undefined);
  },
};
