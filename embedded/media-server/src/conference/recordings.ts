import { dirname, isAbsolute } from 'node:path';
import type { RecordEnded } from '../media/attachments/recorder.js';
import type { MediaRoom, RoomAttachment } from '../media/media-room.js';
import type { Conference } from './conference.js';
import { isFolder } from './files.js';

/** A recording of a conference. */
export interface ConferenceRecording {
  path: string;
  startedMs: number;
  isPaused: boolean;
  attachment: RoomAttachment;
}

/** Recordings that may run at once in one conference. */
const MAX_RECORDINGS = 16;

/** The recordings of one conference, by path. */
export class ConferenceRecordings {
  readonly #conference: Conference;
  readonly #room: MediaRoom;
  readonly #byPath = new Map<string, ConferenceRecording>();

  constructor(conference: Conference, room: MediaRoom) {
    this.#conference = conference;
    this.#room = room;
  }

  /** How many there are. */
  get size(): number {
    return this.#byPath.size;
  }

  /** All that run. */
  all(): ConferenceRecording[] {
    return [...this.#byPath.values()];
  }

  /** Begins to record; a text that says why not. */
  async start(path: string): Promise<string | undefined> {
    const conference = this.#conference;
    if (this.#byPath.has(path)) return `file [${path}] is already being used for recording.`;
    if (this.#byPath.size >= MAX_RECORDINGS) return 'too many recordings.';
    // A relative path has no place of its own here.
    if (!isAbsolute(path) || !(await isFolder(dirname(path)))) {
      conference.emit('start-recording', [
        ['Path', path],
        ['Error', 'File could not be opened for recording'],
      ]);
      return undefined;
    }
    if (conference.isEnded || this.#byPath.has(path)) return undefined;
    const { rateHz } = conference;
    // What a recording of a leg calls heard is here what all say and what is played to all.
    const spec = { kind: 'record', path, mode: 'read', format: 'wav', rateHz, limitMs: 0 } as const;
    let end: RecordEnded | undefined;
    const attachment = this.#room.attach({ ...spec, silenceThreshold: 0, silenceMs: 0 }, (event) => {
      if (event.type === 'recordEnded') end = event;
    });
    const recording = { path, startedMs: Date.now(), isPaused: false, attachment };
    this.#byPath.set(path, recording);
    conference.emit('start-recording', [['Path', path]]);
    void attachment.ended.then(() => this.#onEnded(recording, end));
    return undefined;
  }

  /** Ends a recording; false when there is none of that path. */
  stop(path: string): boolean {
    const recording = this.#byPath.get(path);
    if (!recording) return false;
    this.#byPath.delete(path);
    recording.attachment.detach();
    return true;
  }

  /** Halts a recording or lets it go on; false when there is none of that path. */
  pause(path: string, on: boolean): boolean {
    const recording = this.#byPath.get(path);
    if (!recording) return false;
    recording.isPaused = on;
    recording.attachment.pause(on);
    return true;
  }

  #onEnded(recording: ConferenceRecording, end: RecordEnded | undefined): void {
    if (this.#byPath.get(recording.path) === recording) this.#byPath.delete(recording.path);
    const samples = end?.samples ?? 0;
    const { rateHz } = this.#conference;
    this.#conference.emit('stop-recording', [
      ['Path', recording.path],
      ['Other-Recordings', String(this.#byPath.size > 0)],
      ['Samples-Out', String(samples)],
      ['Samplerate', String(rateHz)],
      ['Milliseconds-Elapsed', String(Math.floor((samples * 1000) / rateHz))],
    ]);
  }
}
