import { readdirSync, readFileSync } from 'node:fs';
import { mutate } from '../mutate.js';
import type { Random } from '../random.js';
import type { MediaInput } from './input.js';
import { mutateBinary } from './mutate-binary.js';
import { pickShare } from './shares.js';

const AUDIO = new URL('../../seeds/audio/', import.meta.url);
const RAW_EXTENSIONS = [
  '.r8',
  '.r16',
  '.raw',
  '.sln',
  '.sln16',
  '.l16',
  '.ul',
  '.ulaw',
  '.al',
  '.alaw',
  '.pcmu',
  '.pcma',
];

const TONES = [
  '%(100,100,400)',
  '%(200,0,350,440);%(100,50,480.5,620);loops=2',
  'v=-13;%(500,500,480,620);loops=-1',
  'L=3;%(100,100,350,440);l=2;%(10,0,1000)',
  'd=100;w=50;1234567890*#ABCD',
  '%(1000,0,2000,2100,2200,2300);>=1;<=5;+=2',
  'c=2;r=8000;%(1,1,1)',
  'path=tones.ttml;loops=3',
];

const PLAYLISTS = [
  'a.wav!b.wav!silence_stream://100',
  'file_string://silence_stream://20!tone_stream://%(20,0,440)!file_string://x!y',
  '{playback_terminators=none,loops=3}tone_stream://%(30,20,500)',
  '{^^;a=b;c=d}silence_stream://100,1400',
  'silence_stream://-1',
  'file://seed.wav@@400',
  'seed.ogg@@-1',
  'tone_stream://path=tones.ttml;loops=2',
  'http_cache://{a=b}127.0.0.1:9/x.wav',
  'shout://127.0.0.1:9/x',
  'phrase:x',
  'say:hello',
];

const DIAL_STRINGS = ['12@200+3w4W5', '~1234567890*#', 'ABCDabcdFf', '1@99999+2@-1', 'wwWW1', '1+2+3+4+5+6+7+8+9'];

/** Kinds of files, by what makes them, and how many of a hundred inputs each has. */
const SHARES = [
  ['wav', 27],
  ['aiff', 12],
  ['raw', 6],
  ['mp3', 13],
  ['ogg', 20],
  ['tones', 10],
  ['playlist', 8],
  ['dial', 4],
] as const;

/** A kind of file. */
export type FileKind = (typeof SHARES)[number][0];

const TEXTS: Partial<Record<FileKind, readonly Buffer[]>> = {
  tones: TONES.map((text) => Buffer.from(text)),
  playlist: PLAYLISTS.map((text) => Buffer.from(text)),
  dial: DIAL_STRINGS.map((text) => Buffer.from(text)),
};

/** Makes mutated files of every kind. */
export class FileInputs {
  private readonly seeds = new Map<FileKind, { extension: string; bytes: Buffer }[]>();
  private readonly others = new Map<FileKind, Buffer[]>();

  constructor() {
    const files = readdirSync(AUDIO)
      .sort()
      .map((name) => ({ name, bytes: readFileSync(new URL(name, AUDIO)) }));
    const ending = (...ends: string[]) =>
      files
        .filter(({ name }) => ends.some((end) => name.endsWith(end)))
        .map(({ name, bytes }) => ({ extension: name.slice(name.lastIndexOf('.')), bytes }));
    this.seeds.set('wav', ending('.wav'));
    this.seeds.set('aiff', ending('.aiff', '.aifc'));
    this.seeds.set('mp3', ending('.mp3', '.mp2'));
    this.seeds.set('ogg', ending('.ogg'));
    const sound = this.seeds.get('wav')![0]!.bytes;
    this.seeds.set(
      'raw',
      RAW_EXTENSIONS.map((extension) => ({ extension, bytes: sound })),
    );
    for (const [kind, seeds] of this.seeds) this.others.set(kind, [...new Set(seeds.map(({ bytes }) => bytes))]);
  }

  /** Input `n` of a run: the same generator gives the same. */
  make(n: number, random: Random): MediaInput {
    const kind = pickShare(SHARES, random);
    return { n, kind, ...this.makeKind(kind, random) };
  }

  /** A file of that kind. */
  makeKind(kind: FileKind, random: Random): { to: string; bytes: Buffer } {
    const texts = TEXTS[kind];
    if (texts) return { to: '', bytes: mutate(random.pick(texts), random, texts, random.below(7)) };
    const { extension, bytes } = random.pick(this.seeds.get(kind)!);
    return { to: extension, bytes: mutateBinary(bytes, random, this.others.get(kind)!, random.below(7)) };
  }
}
