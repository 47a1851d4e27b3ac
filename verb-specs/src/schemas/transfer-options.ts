import { choice, described, flag, number, object, type Rules, ref, someOf, text, when } from '../schema.js';
import { amd } from './amd.js';
import { hook } from './hook.js';
import { target } from './target.js';

const OUTCOME = ['return', 'voicemail', 'hangup'] as const;
const disposition = object({
  onNoAnswer: choice(OUTCOME, 'what happens when nobody answers; default return'),
  onBusy: choice(OUTCOME, 'what happens when busy; default return'),
  onDecline: choice(OUTCOME, 'what happens when declined; default return'),
  onFailure: choice(OUTCOME, 'what happens on any other failure; default return'),
  voicemailUrl: text('where the voicemail is; required where an outcome is voicemail'),
});
const confirm = object({ prompt: text('what the destination hears'), digit: text('key that accepts') }, [
  'prompt',
  'digit',
]);

/** Properties that the verb transfer and the handoff of an agent share. */
export const transferProperties = {
  mode: choice(['blind', 'warm'], 'blind: hand off at once; warm: speak with the destination first'),
  target: someOf(target, 'destinations, rung at once; the first to answer wins'),
  blindMethod: choice(['refer', 'dial'], 'refer: send a SIP REFER; dial: place a bridged call (blind); default refer'),
  callerPresent: flag('the caller hears the brief (warm); default false: the caller is on hold'),
  callerId: text('calling number shown to the destination; default is that of the caller'),
  onHoldHook: ref(hook, 'asked for verbs for the caller on hold (warm)'),
  timeout: number('seconds to ring; default 30'),
  confirm: described(confirm, 'key that the destination must press to accept'),
  amd: ref(amd, 'answering-machine detection at the destination (warm)'),
  disposition: described(disposition, 'what happens when the transfer does not succeed'),
  actionHook: ref(hook, 'called once with the outcome'),
  eventHook: ref(hook, 'receives progress'),
};

const needsVoicemailUrl = (outcome: string) =>
  when(
    {
      required: ['disposition'],
      properties: { disposition: { required: [outcome], properties: { [outcome]: { const: 'voicemail' } } } },
    },
    { properties: { disposition: { required: ['voicemailUrl'] } } },
  );

/** A voicemail outcome needs to know where the voicemail is. */
export const transferRules: Rules = {
  allOf: ['onNoAnswer', 'onBusy', 'onDecline', 'onFailure'].map(needsVoicemailUrl),
};
