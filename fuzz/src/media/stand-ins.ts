/**
 * What only a run knows stands in inputs as text of the same length, so that the same seed gives the same inputs and lengths stay
 * right: ids of calls and ports. Addresses of other machines are replaced too, whatever their length.
 */

/** Ports are five digits; these are above every free port of Linux. */
export const HTTP_PORT = '61001';
export const FORK_PORT = '61002';
export const CLIENT_PORT = '61003';

const UUID = '00000000-0000-4000-8000-0000000000';

/** Stands for the id of call `index`, below 100. */
export function uuidOf(index: number): string {
  return UUID + String(index).padStart(2, '0');
}

/** What the stand-ins stand for. */
export interface RunFacts {
  uuidOf(index: number): string | undefined;
  httpPort: number;
  forkPort: number;
  clientPort: number;
}

/** Puts in what the run knows, and keeps addresses on this machine. */
export function fillIn(bytes: Buffer, facts: RunFacts): Buffer {
  const text = bytes
    .toString('latin1')
    .replaceAll(HTTP_PORT, String(facts.httpPort))
    .replaceAll(FORK_PORT, String(facts.forkPort))
    .replaceAll(CLIENT_PORT, String(facts.clientPort))
    .replace(new RegExp(`${UUID}(\\d\\d)`, 'g'), (whole, index: string) => facts.uuidOf(Number(index)) ?? whole)
    .replace(/(?<![\d.])(?!127\.)\d{1,10}(?:\.\d{1,10}){3}(?![\d.])/g, '127.0.0.1');
  return Buffer.from(text, 'latin1');
}
