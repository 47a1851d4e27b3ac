import { ALAW_TO_LINEAR, toneShare, ULAW_TO_LINEAR } from '@ringwire/rtp';
import { Random } from '../random.js';
import type { Caller } from './calls.js';
import type { EslLink } from './esl-link.js';

const TONE_HZ = 800;
const RATE_HZ = 8000;
const HEADER_BYTES = 12;
/** So much of the tone must be heard. */
const WANTED_SAMPLES = 2400;
const HEARD_WITHIN_MS = 8000;
const MIN_SHARE = 0.8;
const TRIES = 3;
/** What mutated commands may have set, put right. */
const RESTORE = ['fsctl resume', 'fsctl max_sessions 5000', 'fsctl sps 1000', 'fsctl loglevel err'];

/** Undoes what commands may have done to the server as a whole. */
export async function restore(control: EslLink): Promise<void> {
  for (const command of RESTORE) await control.api(command);
}

/** Whether a good call is answered, and a tone played on it is heard. @throws when it is not, three times */
export async function probeCall(caller: Caller, control: EslLink): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await restore(control);
      await hearTone(caller, attempt % 2 === 1 ? 'PCMU' : 'PCMA');
      return;
    } catch (error) {
      // A `hupall` that still waited in its queue is no failure.
      if (attempt === TRIES) throw error;
    }
  }
}

async function hearTone(caller: Caller, codec: 'PCMU' | 'PCMA'): Promise<void> {
  const call = await caller.call({ codec, salt: 0 });
  const table = call.codec === 'PCMU' ? ULAW_TO_LINEAR : ALAW_TO_LINEAR;
  const heard: number[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => {
        reject(new Error(`of the tone of a good call ${heard.length} samples were heard within ${HEARD_WITHIN_MS} ms`));
      }, HEARD_WITHIN_MS);
      call.onRtp = (datagram) => {
        for (let i = HEADER_BYTES; i < datagram.length; i++) {
          const sample = table[datagram[i]!]!;
          if (heard.length > 0 || Math.abs(sample) > 1000) heard.push(sample);
        }
        if (heard.length < WANTED_SAMPLES) return;
        clearTimeout(late);
        const share = toneShare(Int16Array.from(heard), TONE_HZ, RATE_HZ, 0, WANTED_SAMPLES);
        if (share > MIN_SHARE) resolve();
        else reject(new Error(`what is heard of a tone of ${TONE_HZ} Hz is only ${share.toFixed(2)} of that`));
      };
      call.rtp.send(call.source.genuine(new Random(1)), call.rtpPort, '127.0.0.1');
      void call.esl.command(
        `sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: tone_stream://%(1000,0,${TONE_HZ})`,
      );
    });
  } finally {
    await caller.end(call);
  }
}
