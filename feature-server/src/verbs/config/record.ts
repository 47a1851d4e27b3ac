import type { ConfigPart } from './part.js';

/** The recording of the call: started, stopped, paused and resumed (compat 4.3). */
export const recording: ConfigPart = {
  properties: ['record'],
  needs: ({ record }) => (record?.action === 'startCallRecording' ? 'media' : 'nothing'),
  async apply({ recorder, journal }, { record }) {
    if (!record) return;
    const { action, type, recordingID, recordEndHook, siprecServerURL, headers } = record;
    const told = recorder.obey({
      action,
      ...(type !== undefined && { type }),
      ...(recordingID !== undefined && { recordingID }),
      ...(recordEndHook !== undefined && { recordEndHook }),
      ...(siprecServerURL !== undefined && { siprecServerURL }),
      ...(headers !== undefined && { headers }),
    });
    const done = told.then((result) => {
      // What was tried and failed is told already.
      if (!result.ok && result.because === 'wrong state')
        journal.timeline.warn('verb', `config: record ${action}: ${result.reason}`);
    });
    // A recording server that takes its time must not keep the caller waiting; what is to be paused is, before the next verb.
    if (action !== 'startCallRecording' || siprecServerURL === undefined) await done;
  },
};
