/**
 * echo: the call's sound to a WebSocket and back. One server has both the application's socket and that of the sound; a relative `url` leads
 * to it. What arrives is 16-bit linear PCM; what is sent back is heard by the caller.
 */
import { createServer } from 'node:http';
import { createEndpoint } from '@jambonz/sdk/websocket';
import { type ListenOptions, type RunningExample, serve } from './serve.js';

/** Starts it. @param onAudio hears how much sound a call has sent, in bytes */
export function startEcho(
  options: ListenOptions = {},
  onAudio: (callSid: string, bytes: number) => void = () => {},
): Promise<RunningExample> {
  const server = createServer();
  const makeService = createEndpoint({ server });
  const service = makeService({ path: '/' });
  const audio = makeService.audio({ path: '/audio' });

  service.on('session:new', (session) => {
    session
      .answer()
      .stream({
        url: '/audio',
        sampleRate: 8000,
        mixType: 'mono',
        metadata: { purpose: 'echo' },
        bidirectionalAudio: { enabled: true, streaming: true, sampleRate: 8000 },
      })
      .hangup()
      .send();
  });

  audio.on('connection', (stream) => {
    stream.on('audio', (pcm: Buffer) => {
      onAudio(stream.callSid, pcm.length);
      stream.sendAudio(pcm);
    });
  });

  return serve(server, options, 'ws');
}
