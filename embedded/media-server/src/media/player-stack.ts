import { FrameConverter, frameSamples, type LegRate } from '@ringwire/rtp';
import type { Player } from './player.js';
import type { PlayControl, PlayItem } from './protocol.js';

/** A player and, when the leg's rate has changed since it began, what converts its audio. */
interface Layer {
  player: Player;
  converter: FrameConverter;
  frame: Int16Array;
}

/** The lists that a leg plays, the latest above: when it ends, the one below goes on, as nested applications do. */
export class PlayerStack {
  readonly #layers: Layer[] = [];

  /** Whether a list holds the line, even if it gives no sound just now. */
  get isBusy(): boolean {
    return this.#layers.length > 0;
  }

  /** Whether the topmost list was asked for since the last tick and is not there yet: a tick asks once. */
  get isOpening(): boolean {
    return this.#layers.length > 0 && this.#layers[this.#layers.length - 1]!.player.isOpening;
  }

  /** Starts a list above the others. */
  push(player: Player): void {
    const { rateHz } = player;
    this.#layers.push({ player, converter: new FrameConverter(rateHz, rateHz), frame: new Int16Array(0) });
  }

  /** Gives a list what was still being fetched when it began; nothing when it has ended. */
  supply(play: number, number: number, item: PlayItem): void {
    this.#layers.find(({ player }) => player.play === play)?.player.supply(number, item);
  }

  /** Ends one list. */
  stop(play: number): void {
    this.#layers.find(({ player }) => player.play === play)?.player.stop('break');
  }

  /** Breaks what a list plays now. */
  breakItem(play: number): void {
    this.#layers.find(({ player }) => player.play === play)?.player.breakItem();
  }

  /** Changes what the topmost list plays. */
  control(control: PlayControl): void {
    this.#layers[this.#layers.length - 1]?.player.control(control);
  }

  /** Ends all. */
  stopAll(): void {
    for (const { player } of this.#layers) player.stop('break');
  }

  /** Fills the frame from the topmost list and returns true; false, and the frame undefined, when none gives sound. Tick path. */
  read(frame: Int16Array, rateHz: LegRate): boolean {
    while (this.#layers.length > 0) {
      const layer = this.#layers[this.#layers.length - 1]!;
      const filled = readLayer(layer, frame, rateHz);
      const { ended } = layer.player;
      if (ended) this.#layers.pop();
      if (filled) return true;
      if (!ended) return false;
    }
    return false;
  }
}

function readLayer(layer: Layer, frame: Int16Array, rateHz: LegRate): boolean {
  const { player } = layer;
  if (player.rateHz === rateHz) {
    const filled = player.read(frame, frame.length);
    if (filled > 0) frame.fill(0, filled);
    return filled > 0;
  }
  if (layer.converter.toHz !== rateHz) {
    layer.converter = new FrameConverter(player.rateHz, rateHz);
    layer.frame = new Int16Array(frameSamples(player.rateHz));
  }
  const filled = player.read(layer.frame, layer.frame.length);
  layer.frame.fill(0, filled);
  frame.set(layer.converter.convert(layer.frame));
  return filled > 0;
}
