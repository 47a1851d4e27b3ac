import {
  type CodecId,
  codecFormat,
  createCodec,
  rtpHeaderBytes,
  SrtpContext,
  type SrtpKey,
  writeRtpHeader,
} from '@ringwire/rtp';
import type { Random } from '../random.js';
import { mutateBinary } from './mutate-binary.js';

const HEADER_BYTES = 12;
const PACKET_MS = 20;
const SSRC = 0x66757a7a;
const TELEPHONE_EVENT = 101;
const COMFORT_NOISE = 13;
const PAYLOADS = 16;
const MAX_SECURED_BYTES = 2000;
/** Room that securing needs. */
const SPARE_BYTES = 200;

/** Genuine payloads of a codec: a glide, then noise. */
export async function encodePayloads(codec: CodecId): Promise<Buffer[]> {
  const format = codecFormat(codec);
  await format.load?.();
  const encoder = createCodec(codec);
  // Opus opens its coder in the turns after it was made.
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
  const samples = (format.rateHz * PACKET_MS) / 1000;
  const pcm = new Int16Array(samples);
  const payloads: Buffer[] = [];
  for (let i = 0; i < PAYLOADS; i++) {
    for (let j = 0; j < samples; j++) {
      const at = i * samples + j;
      pcm[j] = i < PAYLOADS / 2 ? 9000 * Math.sin(at * (0.1 + at / 50_000)) : ((at * 7919) % 4001) - 2000;
    }
    const out = Buffer.alloc(format.maxPayloadBytes(PACKET_MS));
    payloads.push(out.subarray(0, encoder.encode(pcm, 0, samples, out, 0)));
  }
  encoder.close();
  return payloads;
}

/** The far side of one call's media: a stream that goes on, in packets that are right, almost right and wrong. */
export class RtpSource {
  private sequence = 0xff00;
  private timestamp = 0xfffff000;
  private readonly context: SrtpContext | undefined;

  /**
   * @param payloadType that the call has for the codec
   * @param all genuine payloads of all codecs
   */
  constructor(
    private readonly codec: CodecId,
    private readonly payloadType: number,
    private readonly all: ReadonlyMap<CodecId, readonly Buffer[]>,
    key: SrtpKey | undefined,
  ) {
    this.context = key && new SrtpContext(key);
  }

  get isSecured(): boolean {
    return this.context !== undefined;
  }

  /** A packet, now and then the genuine next one. On a secured call it is not secured. */
  rtp(random: Random): Buffer {
    const kind = random.below(12);
    if (kind === 0) return mutateBinary(this.genuine(random), random, this.payloads, 1 + random.below(5));
    if (kind === 1) return this.jump(random);
    if (kind === 2) return this.packet(random.below(128), random.pick(this.payloadsOf(random)));
    if (kind === 3) return this.extended(random);
    if (kind === 4) return this.packet(COMFORT_NOISE, randomBytes(random, random.below(20)));
    if (kind === 5) return this.event(random);
    if (kind === 6) return randomBytes(random, random.below(random.below(1500) + 1));
    if (kind === 7) return this.genuine(random).subarray(0, random.below(HEADER_BYTES + 8));
    if (kind < 10) return this.genuine(random);
    const payload = mutateBinary(random.pick(this.payloads), random, this.payloads, 1 + random.below(4));
    return this.packet(this.payloadType, payload);
  }

  /** The next packet as a telephone sends it. */
  genuine(random: Random): Buffer {
    return this.packet(this.payloadType, random.pick(this.payloads));
  }

  /** A secured packet: what is in it is wrong, or what is around it. Random bytes where the call is not secured. */
  srtp(random: Random): Buffer {
    if (!this.context) return randomBytes(random, random.below(200));
    if (random.below(2) === 0) return this.protect(this.rtp(random));
    return mutateBinary(this.protect(this.genuine(random)), random, this.payloads, 1 + random.below(3));
  }

  /** The same of RTCP. */
  srtcp(random: Random, packet: Buffer): Buffer {
    if (!this.context || packet.length < 8 || packet.length > MAX_SECURED_BYTES) return packet;
    const room = Buffer.alloc(packet.length + SPARE_BYTES);
    packet.copy(room);
    const secured = room.subarray(0, this.context.protectRtcp(room, packet.length));
    return random.below(2) === 0 ? secured : mutateBinary(secured, random, this.payloads, 1 + random.below(3));
  }

  private protect(packet: Buffer): Buffer {
    if (packet.length > MAX_SECURED_BYTES || rtpHeaderBytes(packet, packet.length) < 0) return packet;
    const room = Buffer.alloc(packet.length + SPARE_BYTES);
    packet.copy(room);
    return room.subarray(0, this.context!.protect(room, packet.length));
  }

  private get payloads(): readonly Buffer[] {
    return this.all.get(this.codec)!;
  }

  private payloadsOf(random: Random): readonly Buffer[] {
    return random.pick([...this.all.values()]);
  }

  private packet(payloadType: number, payload: Buffer): Buffer {
    const packet = Buffer.alloc(HEADER_BYTES + payload.length);
    this.sequence = (this.sequence + 1) & 0xffff;
    this.timestamp = (this.timestamp + (codecFormat(this.codec).clockHz * PACKET_MS) / 1000) >>> 0;
    writeRtpHeader(packet, false, payloadType, this.sequence, this.timestamp, SSRC);
    payload.copy(packet, HEADER_BYTES);
    return packet;
  }

  /** Sequence number, timestamp or source are far from where they were, for this packet or from now on. */
  private jump(random: Random): Buffer {
    const what = random.below(6);
    const by = random.pick([-1, -2, -100, 1, 50, 3000, 32_767, 32_768, -32_768]);
    if (what === 0) this.sequence = (this.sequence + by) & 0xffff;
    if (what === 1) this.timestamp = (this.timestamp + by * random.pick([1, 160, 1_000_000])) >>> 0;
    const packet = this.genuine(random);
    if (what === 2) packet.writeUInt16BE((this.sequence + by) & 0xffff, 2);
    if (what === 3) packet.writeUInt32BE((this.timestamp + by * 160) >>> 0, 4);
    if (what === 4) packet.writeUInt32BE(SSRC + random.below(3), 8);
    if (what === 5) packet[1] = packet[1]! ^ 0x80;
    return packet;
  }

  /** With sources, an extension or padding, of the right length or not. */
  private extended(random: Random): Buffer {
    const genuine = this.genuine(random);
    const sources = random.below(16);
    const words = random.below(5);
    const more = Buffer.alloc(4 * sources + 4 + 4 * words, random.below(256));
    more.writeUInt16BE(random.pick([0xbede, 0x1000, 0]), 4 * sources);
    more.writeUInt16BE(random.below(5) === 0 ? random.below(65_536) : words, 4 * sources + 2);
    const packet = Buffer.concat([genuine.subarray(0, HEADER_BYTES), more, genuine.subarray(HEADER_BYTES)]);
    packet[0] = 0x90 | sources | (random.below(2) << 5);
    if (random.below(2) === 0) packet[packet.length - 1] = random.below(256);
    return packet;
  }

  /** A key (RFC 4733), whole or in part. */
  private event(random: Random): Buffer {
    const payload = Buffer.alloc(4);
    payload[0] = random.below(4) === 0 ? random.below(256) : random.below(17);
    payload[1] = random.below(256);
    payload.writeUInt16BE(random.pick([0, 160, 800, 8000, 65_535, random.below(65_536)]), 2);
    const packet = this.packet(
      TELEPHONE_EVENT,
      random.below(5) === 0 ? randomBytes(random, random.below(12)) : payload,
    );
    // Packets of one key have one timestamp.
    if (random.below(2) === 0) packet.writeUInt32BE((this.timestamp & ~0x3ff) >>> 0, 4);
    if (random.below(4) === 0) packet[1] = packet[1]! | 0x80;
    return packet;
  }
}

/** That many bytes. */
export function randomBytes(random: Random, count: number): Buffer {
  const bytes = Buffer.alloc(count);
  for (let i = 0; i < count; i++) bytes[i] = random.below(256);
  return bytes;
}
