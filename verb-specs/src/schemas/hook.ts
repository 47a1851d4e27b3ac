import { choice, component, object, ref, type Static, text } from '../schema.js';

const authSchema = object({ username: text('user name'), password: text('password') }, ['username', 'password']);
/** User name and password. */
export interface AuthSpec extends Static<typeof authSchema> {}
/** Schema of {@link AuthSpec}. */
export const auth = component<AuthSpec>('auth', 'A user name with its password.', authSchema);

/** Where a hook is sent, written out. Properties that are not named here are accepted and ignored. */
export interface HookObject {
  /** Absolute URL, or one relative to the application's own. */
  url: string;
  /** @defaultValue `POST` */
  method?: 'GET' | 'POST';
  username?: string;
  password?: string;
  basicAuth?: AuthSpec;
}
const NOT_BLANK = '\\S';
/** A hook: its URL, or an object with the URL. */
export type HookSpec = string | HookObject;
/** Schema of {@link HookSpec}. */
export const hook = component<HookSpec>(
  'hook',
  'Where an event is sent: a URL (absolute, or relative to the application), or an object. jambonz does not look into the object, so further properties are ignored.',
  {
    type: ['string', 'object'],
    // What is blank is no hook, and is left out: resolved, it would be the URL of the application itself.
    pattern: NOT_BLANK,
    properties: {
      url: { ...text('absolute URL, or relative to the application'), pattern: NOT_BLANK },
      method: choice(['GET', 'POST'], 'HTTP method; default POST'),
      username: text('user name for HTTP basic authentication'),
      password: text('password for HTTP basic authentication'),
      basicAuth: ref(auth, 'user name and password for HTTP basic authentication, as one object'),
    },
    required: ['url'],
  },
);

/** Schema of a hook that stays until another is named: a blank one says that there is none any more. */
export const clearableHook = component<HookSpec>(
  'clearableHook',
  'A hook as above; the empty text takes back what was set before.',
  {
    type: ['string', 'object'],
    properties: { ...hook.properties, url: text('absolute URL, or relative to the application') },
    required: ['url'],
  },
);
