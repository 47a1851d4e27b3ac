import { frameSamples, goertzel, type LegRate, tone } from '@ringwire/rtp';
import t from 'tap';
import type { Attachment } from './attachment.js';
import { AttachmentSet } from './attachment-set.js';

/** Keeps what it hears and is sent, and says a tone until it is told to stop. */
class Parrot implements Attachment {
  ended = false;
  closed = 0;
  readonly heard: number[] = [];
  readonly sent: number[] = [];
  #said = 0;

  constructor(
    readonly rateHz: LegRate,
    readonly sound: Int16Array = new Int16Array(0),
  ) {}

  heardTick(frame: Int16Array): void {
    this.heard.push(...frame);
  }

  mixTick(frame: Int16Array): boolean {
    if (this.#said >= this.sound.length) return false;
    for (let i = 0; i < frame.length; i++) frame[i]! += this.sound[this.#said++] ?? 0;
    return true;
  }

  sentTick(frame: Int16Array): void {
    this.sent.push(...frame);
  }

  tell(message: 'stop'): void {
    this.ended = message === 'stop';
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

const level = (pcm: number[], hz: number, rateHz: number): number =>
  goertzel(Int16Array.from(pcm), hz, rateHz, rateHz / 10, pcm.length - rateHz / 10);

for (const legHz of [8000, 16000] as const) {
  t.test(`attachments of both rates hear and are heard on a leg of ${legHz} Hz`, (t) => {
    const set = new AttachmentSet(() => undefined);
    const [narrow, wide] = [new Parrot(8000, tone(600, 1000, -20)), new Parrot(16000, tone(900, 1000, -20, 16000))];
    set.add(1, narrow);
    set.add(2, wide);
    t.ok(set.listens);
    const length = frameSamples(legHz);
    const peer = tone(1700, 1000, -20, legHz);
    const out: number[] = [];
    for (let i = 0; i < 50; i++) {
      set.heardTick(peer.subarray(i * length, (i + 1) * length), legHz);
      const frame = new Int16Array(length);
      t.ok(set.mixTick(frame, legHz));
      set.sentTick(frame, legHz);
      out.push(...frame);
    }
    const expected = 32767 * 10 ** (-20 / 20);
    const near = (found: number, why: string): void => {
      t.ok(Math.abs(20 * Math.log10(found / expected)) < 0.2, `${why}: ${found.toFixed(0)} of ${expected.toFixed(0)}`);
    };
    for (const parrot of [narrow, wide]) {
      t.equal(parrot.heard.length, parrot.rateHz);
      near(level(parrot.heard, 1700, parrot.rateHz), `${parrot.rateHz} hears`);
      near(level(parrot.sent, 600, parrot.rateHz), `${parrot.rateHz} is given what is sent`);
    }
    near(level(out, 600, legHz), 'the narrow one is sent');
    near(level(out, 900, legHz), 'the wide one is sent');
    t.end();
  });
}

t.test('one that has ended is closed after its tick, and all are closed once', async (t) => {
  const ended: number[] = [];
  const set = new AttachmentSet((id) => ended.push(id));
  const [first, second, third] = [new Parrot(8000), new Parrot(8000), new Parrot(8000)];
  set.add(1, first);
  set.add(2, second);
  set.add(3, third);
  set.tell(1, 'stop');
  set.tell(9, 'stop');
  set.sentTick(new Int16Array(160), 8000);
  set.heardTick(new Int16Array(160), 8000);
  t.equal(first.heard.length, 0);
  set.remove(2);
  set.remove(2);
  await set.close();
  t.same([first.closed, second.closed, third.closed], [1, 1, 1]);
  t.same(ended.sort(), [1, 2, 3]);
  t.notOk(set.listens);
});
