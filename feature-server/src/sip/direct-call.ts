import type { Account, Application } from '@ringwire/common';

const SPEECH = { vendor: '', language: '', voice: null, label: null };

/** What takes the call of a device to another user of its account: no customer's application, but a `dial` that lets it ring. */
export function directCallTo(user: string, { accountSid, serviceProviderSid }: Account): Application {
  return {
    applicationSid: '',
    name: `direct call to ${user}`,
    accountSid,
    serviceProviderSid,
    callHook: null,
    callStatusHook: null,
    messagingHook: null,
    appJson: JSON.stringify([{ verb: 'dial', answerOnBridge: true, target: [{ type: 'user', name: user }] }]),
    synthesizer: SPEECH,
    recognizer: SPEECH,
    fallbackSynthesizer: null,
    fallbackRecognizer: null,
    envVars: null,
    recordAllCalls: false,
  };
}
