import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { acceptAudioAnswer, offerAudio, parseSdp, RTP_HEADER_BYTES, RtpSocket, writeRtpHeader } from '@ringwire/rtp';
import type { Teardown } from './stores.js';

/** SDP of one audio stream at a port. */
export function audioSdp(port: number, sessionVersion = 1): string {
  return offerAudio({ host: '127.0.0.1', port, sessionId: `${port}`, sessionVersion });
}

/** Sends every packet back to where it came from, whoever sends: one echo serves all calls of a test file. */
export async function startEcho(t: Teardown): Promise<{ sdp: string; received(): number }> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => void socket.close(() => resolve())));
  let count = 0;
  socket.on('message', (packet, source) => {
    count++;
    socket.send(packet, source.port, source.address);
  });
  return { sdp: audioSdp(socket.address().port), received: () => count };
}

/** A caller's end of a stream. */
export interface TestAudio {
  sdp: string;
  port: number;
  /** Packets sent so far. */
  sent(): number;
  /** Sends packets to where the SDP says until one with their payload comes back; resolves with the port it was sent to. */
  echoThrough(sdp: string): Promise<number>;
}

const PAYLOAD = Buffer.alloc(160, 0x5a);

/** Opens a caller's RTP socket. */
export async function startAudio(t: Teardown): Promise<TestAudio> {
  const socket = await RtpSocket.bind();
  t.teardown(() => socket.close());
  const sdp = audioSdp(socket.port);
  let count = 0;
  return {
    sdp,
    port: socket.port,
    sent: () => count,
    async echoThrough(remoteSdp) {
      const remote = parseSdp(remoteSdp);
      if (!remote.ok) throw new Error(`unreadable SDP: ${remoteSdp}`);
      const agreed = acceptAudioAnswer(remote.sdp);
      if (!agreed.ok) throw new Error(`no agreement: ${agreed.error.message}`);
      const { remoteHost, remotePort } = agreed.agreement;
      socket.setRemote(remoteHost, remotePort);
      let sequence = 0;
      const packet = Buffer.alloc(RTP_HEADER_BYTES + PAYLOAD.length);
      const heard = new Promise<void>((resolve) => {
        socket.onPacket = ({ payloadOffset, payloadLength }, datagram) => {
          const payload = datagram.subarray(payloadOffset, payloadOffset + payloadLength);
          if (PAYLOAD.equals(payload)) resolve();
        };
      });
      const timer = setInterval(() => {
        sequence++;
        writeRtpHeader(packet, false, 0, sequence, sequence * 160, 7);
        PAYLOAD.copy(packet, RTP_HEADER_BYTES);
        socket.send(Buffer.from(packet));
        count++;
      }, 20);
      await heard.finally(() => clearInterval(timer));
      return remotePort;
    },
  };
}
