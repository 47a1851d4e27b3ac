/** A tone by which a machine asks for a message. */
export interface Beep {
  frequencyHz: number;
  /** Of the frequency, as the detector measured it. */
  variance: number;
}

/** What hears beeps in what the far end sends. */
export interface BeepDetector {
  /**
   * Calls back for the first beep. @returns what ends that; never rejects
   * @throws MediaServerError
   */
  listen(onBeep: (beep: Beep) => void): Promise<() => Promise<void>>;
}
