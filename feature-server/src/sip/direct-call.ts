import type { Account, Application, Webhook } from '@ringwire/common';

const SPEECH = { vendor: '', language: '', voice: null, label: null };

/** An application that no customer has made. */
function unnamed(name: string, { accountSid, serviceProviderSid }: Account): Application {
  return {
    applicationSid: '',
    name,
    accountSid,
    serviceProviderSid,
    callHook: null,
    callStatusHook: null,
    messagingHook: null,
    appJson: null,
    synthesizer: SPEECH,
    recognizer: SPEECH,
    fallbackSynthesizer: null,
    fallbackRecognizer: null,
    envVars: null,
    recordAllCalls: false,
  };
}

/** How long an agent who calls a queue directly waits for a caller, in seconds (compat 2.1). */
const QUEUE_TIMEOUT_SEC = 5;

/**
 * What takes the call of a device to another user of its account, `bob@example.com`, or to `queue-<name>` or `conference-<name>`: no customer's application,
 * but a `dial` that lets it ring, a `dequeue` or a `conference` (compat 2.1).
 */
export function directCallTo(user: string, account: Account): Application {
  const verbs = [verbOf(user)];
  return { ...unnamed(`direct call to ${user}`, account), appJson: JSON.stringify(verbs) };
}

function verbOf(user: string): Record<string, unknown> {
  const [, kind, name = ''] = /^(queue|conference)-([^@]+)$/.exec(user) ?? [];
  if (kind === 'queue') return { verb: 'dequeue', name, timeout: QUEUE_TIMEOUT_SEC };
  if (kind === 'conference') return { verb: 'conference', name, beep: false, startConferenceOnEnter: true };
  return { verb: 'dial', answerOnBridge: true, target: [{ type: 'user', name: user }] };
}

/**
 * An application whose hooks are those that a registration hook names for its user; where there is no application, but a call hook, one that has
 * nothing else.
 */
export function withUserHooks(
  application: Application | undefined,
  { callHook, callStatusHook }: { callHook: string | undefined; callStatusHook: string | undefined },
  account: Account,
): Application | undefined {
  const base = application ?? (callHook === undefined ? undefined : unnamed('hook of a user', account));
  return (
    base && {
      ...base,
      ...(callHook === undefined ? {} : { callHook: hookAt(callHook), appJson: null }),
      ...(callStatusHook === undefined ? {} : { callStatusHook: hookAt(callStatusHook) }),
    }
  );
}

const hookAt = (url: string): Webhook => ({ webhookSid: '', url, method: 'POST', username: null, password: null });
