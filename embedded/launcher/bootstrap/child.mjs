// @ts-check
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Runs a program to its end with its output going to a log.
 *
 * Ctrl-C and SIGTERM end the program, then this process, after `onInterrupt`. A program that must not be cut short
 * (`finish`: dpkg) is waited for instead; a second Ctrl-C ends it all the same.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, log: string, finish?: boolean, onInterrupt?: () => void }} options
 * @returns {Promise<{ ok: boolean, output: string }>} `output`: what it wrote, both streams.
 */
export async function runLogged(command, args, { cwd, env = process.env, log, finish = false, onInterrupt }) {
  mkdirSync(dirname(log), { recursive: true });
  const fd = openSync(log, 'a');
  const before = statSync(log).size;
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', fd, fd], detached: true });
  closeSync(fd);
  /** @type {NodeJS.Signals | undefined} */
  let interruptedBy;
  /** @param {NodeJS.Signals} signal */
  const interrupt = (signal) => {
    const again = interruptedBy !== undefined;
    interruptedBy = signal;
    if (finish && !again) {
      process.stderr.write(`\n${command} is at work; stopping as soon as it has finished (Ctrl-C again: at once)\n`);
      return;
    }
    if (child.pid !== undefined) killGroup(child.pid, again ? 'SIGKILL' : 'SIGTERM');
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const code = await new Promise((resolve) => {
      child.on('error', () => resolve(127));
      child.on('close', (status) => resolve(status ?? 1));
    });
    if (interruptedBy !== undefined) {
      onInterrupt?.();
      process.exit(interruptedBy === 'SIGINT' ? 130 : 143);
    }
    return { ok: code === 0, output: readFileSync(log).subarray(before).toString('utf8') };
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** @param {number} pid @param {NodeJS.Signals} signal */
function killGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has just ended, which is what was wanted.
  }
}

/** @param {string} text @param {number} count */
export function lastLines(text, count) {
  return text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n');
}
