import { choice, component, described, flag, headers, object, ref, type Static, text, when } from '../schema.js';
import { auth, hook } from './hook.js';

const dialFrom = object({ user: text('user part of From'), host: text('host part of From') });

const schema = object(
  {
    type: choice(['phone', 'sip', 'user', 'teams'], 'what is called'),
    number: text('number to call (phone, teams)'),
    sipUri: text('SIP URI to call (sip)'),
    name: text("user to call (user); the account's realm is added where there is no @"),
    trunk: text('carrier to use, by name or sid (phone); default is the routing of the account'),
    tenant: text('domain name of the Microsoft Teams tenant (teams)'),
    vmail: flag('call the voicemail of the Teams user (teams); default false'),
    confirmHook: ref(hook, 'asked for verbs to run on this leg before it is bridged'),
    method: choice(['GET', 'POST'], 'HTTP method of confirmHook; default POST'),
    headers: headers('further SIP headers for this leg'),
    from: described(dialFrom, 'From header of this leg'),
    auth: ref(auth, 'credentials for a digest challenge of the far end'),
    overrideTo: text('request URI and To of this leg (user)'),
    proxy: text('SIP proxy to send this leg through'),
  },
  ['type'],
  {
    allOf: [
      when({ properties: { type: { enum: ['phone', 'teams'] } } }, { required: ['number'] }),
      when({ properties: { type: { const: 'sip' } } }, { required: ['sipUri'] }),
      when({ properties: { type: { const: 'user' } } }, { required: ['name'] }),
    ],
  },
);
/** Whom to call. */
export interface TargetSpec extends Static<typeof schema> {}
/** Schema of {@link TargetSpec}. */
export const target = component<TargetSpec>('target', 'Whom to call.', schema);
