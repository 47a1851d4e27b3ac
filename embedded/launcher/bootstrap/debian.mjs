// @ts-check
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines, runLogged } from './child.mjs';
import { packagesOf } from './programs.mjs';
import { SetupError } from './setup-error.mjs';

/** Asked by Debian's maintainer scripts before they start a service (invoke-rc.d); 101 means "do not". */
const POLICY = '/usr/sbin/policy-rc.d';
const POLICY_TEXT =
  '#!/bin/sh\n# Placed by the Ringwire set-up while it installs packages: start no service.\nexit 101\n';
/** The services that come with our packages: installed as programs, not to run at the next boot either. */
const SERVICES = { 'redis-server': 'redis-server', 'rtpengine-daemon': 'rtpengine-daemon' };

/**
 * Installs Debian packages so that no service is started that was not running, and none is left to start at boot.
 *
 * @param {import('./programs.mjs').Requirement[]} missing
 * @param {{ root: string, progress: import('./progress.mjs').Progress }} context
 */
export async function installPackages(missing, { root, progress }) {
  const packages = packagesOf(missing);
  const log = join(root, '.data/logs/apt.log');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const lockWait = ['-o', 'DPkg::Lock::Timeout=300'];

  const update = progress.step('apt-get update', 'the package lists must be fresh before anything is installed');
  const updated = await runLogged('apt-get', [...lockWait, 'update', '-q'], { env, log });
  if (updated.ok) update.done();
  else update.fail('failed; trying with the lists that are there');

  const install = progress.step(`apt-get install ${packages.join(' ')}`, reasons(missing));
  const withdraw = forbidServiceStarts();
  try {
    const args = [...lockWait, 'install', '-q', '-y', '--no-install-recommends', ...packages];
    const installed = await runLogged('apt-get', args, { env, log, finish: true, onInterrupt: withdraw });
    if (!installed.ok) {
      install.fail('failed');
      throw new SetupError(
        `apt-get could not install ${packages.join(' ')}:\n${lastLines(installed.output, 12)}\n  (all of it: ${log})`,
      );
    }
    for (const [name, service] of Object.entries(SERVICES)) if (packages.includes(name)) keepFromBoot(service);
    install.done(reasons(missing));
  } finally {
    withdraw();
  }
}

/** @param {import('./programs.mjs').Requirement[]} missing */
function reasons(missing) {
  return [...new Set(missing.map(({ why }) => why))].join(', ');
}

/**
 * Until the function that it returns is called, package installation starts no service. A policy of the administrator
 * (also the one that container images have) is left as it is; one that a killed set-up left behind is ours.
 * @returns {() => void}
 */
function forbidServiceStarts() {
  if (existsSync(POLICY) && readFileSync(POLICY, 'utf8') !== POLICY_TEXT) return () => {};
  writeFileSync(POLICY, POLICY_TEXT, { mode: 0o755 });
  const withdraw = () => rmSync(POLICY, { force: true });
  process.once('exit', withdraw);
  return () => {
    withdraw();
    process.off('exit', withdraw);
  };
}

/** @param {string} service */
function keepFromBoot(service) {
  try {
    execFileSync('update-rc.d', [service, 'disable'], { stdio: 'ignore' });
  } catch {
    // No init scripts on this system: then there is nothing that a boot would start either.
  }
}
