/** Voice-like sound: pulses of a gliding pitch through two resonances, in syllables with pauses. */
export function voice(seconds: number): Int16Array {
  const pcm = new Int16Array(8000 * seconds);
  let phase = 0;
  for (let i = 0; i < pcm.length; i++) {
    const time = i / 8000;
    phase += (120 + 10 * Math.sin(4.1 * time) + 5 * Math.sin(4.1 * Math.SQRT2 * time)) / 8000;
    const syllable = Math.max(0, Math.sin(7.7 * time + Math.sin(Math.sqrt(5) * time))) ** 0.5;
    let value = 0;
    for (let k = 1; k <= 24; k++) {
      const hz = k * 125;
      const formants = 1 / (1 + ((hz - 600) / 250) ** 2) + 0.5 / (1 + ((hz - 1700) / 300) ** 2) + 0.05;
      value += formants * Math.cos(2 * Math.PI * k * phase + k * k);
    }
    pcm[i] = Math.round(2500 * syllable * value);
  }
  return pcm;
}

/** A sequence that is the same in each run. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
