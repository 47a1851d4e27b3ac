import {
  type Application,
  aorText,
  type KeptBinding,
  type Registrations,
  RegistrationsAwayError,
  servesAccount,
} from '@ringwire/common';
import type { User, UserHooks } from '../users/types.js';
import { type Destination, type Invite, refuse, type Snapshot, type StepResult } from './types.js';

/** What finding out whom a user calls looks at. */
export interface DeviceContext {
  snapshot: Snapshot;
  /** Asked only where a registration hook knows the users, for names that are none of ours. */
  registrations: Pick<Registrations, 'bindingsOf'>;
}

/**
 * Step 3 for users: `app-<sid>` is that application of the account, the name of another user is that user, as far as the caller may call
 * them directly; all else goes to what the registration hook said (an application, or a call hook of its own), or to the account's device calling
 * application.
 */
export async function deviceDestination(
  invite: Pick<Invite, 'target' | 'number'>,
  user: User,
  { snapshot, registrations }: DeviceContext,
): Promise<StepResult<Destination>> {
  const { account } = user;
  const dialled = invite.target.user ?? '';
  const known = { account, user };
  const to = (
    application: Application | null,
    calledUser: string | null,
    why: string,
    hooks?: UserHooks,
  ): StepResult<Destination> => ({
    ok: true,
    value: {
      ...{ carrier: null, user, account, application, calledUser, called: invite.number, phoneNumber: null },
      ...(hooks ? { hooks } : {}),
    },
    decision: {
      kind: 'routing',
      text: `from user ${user.aor}: ${why}`,
      data: { user: user.aor, applicationSid: application?.applicationSid ?? null, calledUser },
    },
  });
  const usable = (sid: string | null | undefined): Application | undefined => {
    const application = sid ? snapshot.applicationsBySid.get(sid) : undefined;
    return application && servesAccount(application, account) ? application : undefined;
  };
  const sid = /^app-(.+)$/.exec(dialled)?.[1];
  if (sid !== undefined && user.allowDirectAppCalling) {
    const application = usable(sid);
    if (application) return to(application, null, `application ${application.name} is called directly`);
    return refuse({ status: 404, reason: `there is no application ${sid}`, metric: 'unknown-application', ...known });
  }
  const [, room] = /^(queue|conference)-[^@]+$/.exec(dialled) ?? [];
  if (room === 'queue' && user.allowDirectQueueCalling) return to(null, dialled, `${dialled} is called directly`);
  if (room === 'conference' && user.allowDirectAppCalling) return to(null, dialled, `${dialled} is called directly`);
  if (user.allowDirectUserCalling) {
    const isUser = await isUserOf(dialled);
    if (isUser === null) return away();
    const aor = aorText({ user: dialled, realm: account.sipRealm ?? '' });
    if (isUser) return to(null, aor, `user ${aor} is called directly`);
  }
  const hooks = await hooksOf();
  if (hooks === null) return away();
  const chosen = user.applicationSid ?? account.deviceCallingApplicationSid;
  const application = usable(chosen);
  if (hooks.callHook) return to(application ?? null, null, 'its calls go to a hook of the registration hook', hooks);
  if (application && hooks.callStatusHook) {
    return to(application, null, `its calls go to application ${application.name}`, hooks);
  }
  if (application) return to(application, null, `its calls go to application ${application.name}`);
  const why =
    chosen === null ? 'the account has no application for calls of devices' : 'its application does not exist';
  return refuse({ status: 404, reason: `${dialled} is no user, and ${why}`, metric: 'unknown-user', ...known });

  function away(): StepResult<Destination> {
    return refuse({
      status: 503,
      reason: 'registrations are not available now',
      metric: 'redis-away',
      headers: { 'Retry-After': '5' },
      ...known,
    });
  }

  /** What the registration hook said to this call; if nothing, to the last REGISTER of the user. Null: nobody can tell now. */
  async function hooksOf(): Promise<UserHooks | null> {
    if (user.hooks.callHook || user.hooks.callStatusHook || account.sipRealm === null) return user.hooks;
    // Users with a password of ours have none.
    if (!snapshot.registrationHookOf(account)) return user.hooks;
    const bindings = await bindingsOf(user.username, account.sipRealm);
    if (bindings === null) return null;
    const [last] = bindings.toSorted((a, b) => b.binding.registeredAt - a.binding.registeredAt);
    const { callHook, callStatusHook } = last?.binding ?? {};
    return { ...(callHook ? { callHook } : {}), ...(callStatusHook ? { callStatusHook } : {}) };
  }

  /** Null: nobody can tell now. */
  async function isUserOf(name: string): Promise<boolean | null> {
    if (name === '' || account.sipRealm === null) return false;
    if (!snapshot.registrationHookOf(account)) return snapshot.findClient(account.accountSid, name) !== undefined;
    const bindings = await bindingsOf(name, account.sipRealm);
    return bindings && bindings.length > 0;
  }

  async function bindingsOf(name: string, realm: string): Promise<KeptBinding[] | null> {
    try {
      return await registrations.bindingsOf({ user: name, realm });
    } catch (error) {
      if (error instanceof RegistrationsAwayError) return null;
      throw error;
    }
  }
}
