/** A session that dials over fakes: the test decides when callees answer, and what the media server does. */
import type { ServerResponse } from 'node:http';
import type { Test } from 'tap';
import { MediaServerError } from '../errors.js';
import type { MediaEndpoint, MediaServer } from '../media/media.js';
import type { LegReply, LegRequest, ModifyHandler, ReferHandler } from '../session/call-leg.js';
import type { CallSession } from '../session/call-session.js';
import type { DialOutcome, PlacedLeg, PlacedLegEnd } from '../session/dialler.js';
import { Channel, FakeEndpoint } from './fakes.js';
import { makeSession, type SessionRig } from './session-rig.js';

/** A request to the media server that the test grants or refuses. */
export interface Asked {
  grant(): void;
  refuse(): void;
}

function ask(channel: Channel<Asked>, what: string): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.post({ grant: resolve, refuse: () => reject(new MediaServerError(`${what}: -ERR no such channel`)) });
  });
}

/** An endpoint of a media server that does nothing before the test lets it. */
export class SlowEndpoint extends FakeEndpoint {
  readonly bridges = new Channel<Asked>();
  readonly modifies = new Channel<Asked>();

  readonly unbridges = new Channel<'apart'>();

  override async unbridge(): Promise<void> {
    this.unbridges.post('apart');
  }

  override bridge(): Promise<void> {
    return ask(this.bridges, 'bridge');
  }

  override async modify(remoteSdp: string): Promise<string> {
    await ask(this.modifies, 'modify');
    return `answer to ${remoteSdp}`;
  }
}

/** A media server that makes an endpoint for each leg: the first is the caller's. */
export class SlowMediaServer implements MediaServer {
  readonly available = true;
  readonly endpoints: SlowEndpoint[] = [];

  async createEndpoint(): Promise<MediaEndpoint> {
    const endpoint = new SlowEndpoint();
    this.endpoints.push(endpoint);
    return endpoint;
  }

  get caller(): SlowEndpoint {
    return this.#at(0);
  }

  callee(index = 0): SlowEndpoint {
    return this.#at(index + 1);
  }

  #at(index: number): SlowEndpoint {
    const endpoint = this.endpoints[index];
    if (!endpoint) throw new Error(`no endpoint ${index}`);
    return endpoint;
  }
}

/** A called party whose answer, BYE and end the test decides. */
export class Callee implements PlacedLeg {
  readonly ends = new Channel<Readonly<Record<string, string>>>();
  readonly outcome: Promise<DialOutcome>;
  /** When set, its end lasts until this resolves. */
  endsAfter: Promise<void> = Promise.resolve();
  #tell: (outcome: DialOutcome) => void = () => {};
  #onEnd: (end: PlacedLegEnd) => void = () => {};

  constructor() {
    this.outcome = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  /** Set by who places it. */
  progress: (status: number, sdp?: string) => void = () => {};

  answer(): void {
    this.#tell({ ok: true, sdp: 'v=0 callee', outerCallId: 'outer' });
  }

  refuse(status: number, more: { outerCallId?: string; reasonHeader?: string } = {}): void {
    this.#tell({ ok: false, status, reason: 'refused', ...more });
  }

  /** What the edge has told of. */
  outerCallId: string | undefined;

  hangUp(more: { reasonHeader?: string } = {}): void {
    this.#onEnd({ how: 'bye', headers: {}, ...more });
  }

  onModify(answer: ModifyHandler): void {
    this.reinvite = answer;
  }

  /** Set by who follows it. */
  reinvite: ModifyHandler = async () => '';
  readonly requests = new Channel<LegRequest>();

  readonly peerHost = undefined;

  async request(request: LegRequest): Promise<LegReply> {
    this.requests.post(request);
    return { status: 200, reason: 'OK' };
  }

  onRequest(): void {}

  press: (key: string) => void = () => {};
  refer: ReferHandler | undefined;

  onDigit(listener: (key: string, durationMs: number | undefined) => void): void {
    this.press = (key) => listener(key, undefined);
  }

  onRefer(handler: ReferHandler | undefined): void {
    this.refer = handler;
  }

  onEnd(listener: (end: PlacedLegEnd) => void): void {
    this.#onEnd = listener;
  }

  async end(headers: Record<string, string> = {}): Promise<void> {
    this.ends.post(headers);
    await this.endsAfter;
  }
}

/** A session that dials. */
export interface DialRig extends SessionRig {
  server: SlowMediaServer;
  callees: Callee[];
  running: Promise<void>;
  /** Sessions of legs that have become calls of their own. */
  adults: Channel<CallSession>;
  /** Lets a callee answer, and the media server bridge him. */
  connect(index?: number): Promise<Callee>;
  /** The next verb plays to the caller; then the call ends in order. */
  callerGoesOn(): Promise<void>;
}

/** A call that dials `count` targets at once and then plays. */
export async function dialling(t: Test, count = 1, options: Record<string, unknown> = {}): Promise<DialRig> {
  const server = new SlowMediaServer();
  const placed = new Channel<Callee>();
  const adults = new Channel<CallSession>();
  const target = Array.from({ length: count }, (_, index) => ({ type: 'phone', number: `4930${index}` }));
  const verbs = [
    { verb: 'dial', target, actionHook: '/action', ...options },
    { verb: 'play', url: 'silence_stream://100' },
  ];
  const rig = await makeSession(t, verbs, {
    mediaServer: server,
    onAdult: (session) => adults.post(session),
    dialler: {
      place: ({ onProgress }) => {
        const callee = new Callee();
        callee.progress = (status, sdp = '') => onProgress(status, sdp);
        placed.post(callee);
        return callee;
      },
    },
  });
  rig.app.on('/action', (response) => response.writeHead(204).end());
  const running = rig.run();
  const callees: Callee[] = [];
  while (callees.length < count) callees.push(await placed.take('INVITE'));
  return {
    ...rig,
    server,
    callees,
    running,
    adults,
    async connect(index = 0) {
      const callee = callees[index];
      if (!callee) throw new Error(`no callee ${index}`);
      callee.answer();
      (await server.callee(index).modifies.take('modify')).grant();
      (await server.caller.bridges.take('bridge')).grant();
      return callee;
    },
    async callerGoesOn() {
      (await server.caller.plays.take('play after dial')).finish();
      await running;
      t.ok(
        server.endpoints.every(({ isDestroyed }) => isDestroyed),
        'all media is given back',
      );
    },
  };
}

/** An action hook's fields when the dial was answered and has ended in order. */
export const TAKEN = { dial_call_status: 'completed', dial_sip_status: 200, dial_sbc_callid: 'outer' };

/** Answers a request of the application with verbs. */
export const json = (verbs: unknown) => (response: ServerResponse) =>
  void response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(verbs));

/** Lets a callee answer whom a confirm hook is asked about. */
export async function answer(rig: DialRig, index = 0): Promise<Callee> {
  const callee = rig.callees[index] as Callee;
  callee.answer();
  (await rig.server.callee(index).modifies.take('modify')).grant();
  return callee;
}

/** The media server has joined the two. */
export async function bridged(rig: DialRig): Promise<void> {
  (await rig.server.caller.bridges.take('bridge')).grant();
}

/** Ends the talk, and the call in order. */
export async function hangUp(t: Test, rig: DialRig, callee: Callee): Promise<void> {
  callee.hangUp();
  t.match((await rig.app.next('/action')).json, TAKEN);
  await rig.callerGoesOn();
}

/** The call sid of the callee's leg. */
export const legOf = (rig: DialRig): string =>
  [...rig.ledger.values()].find(({ payload }) => payload.parentCallSid === 'call-1')?.callSid ?? '';

/** The caller hangs up, whatever he hears. */
export async function hungUp(rig: DialRig): Promise<void> {
  rig.leg.end({ how: 'bye', headers: {} });
  await rig.running;
}
