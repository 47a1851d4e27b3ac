// @ts-check
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * @typedef {object} Requirement
 * @property {string} program What is looked for on PATH.
 * @property {string} debian The Debian package that has it, or several with blanks between.
 * @property {string} why
 * @property {string} [unless] The variable that names an existing service to use instead.
 * @property {boolean} [isOptional] Installed where that may be done, and done without elsewhere.
 */

/** What the platform needs of the system to run. @type {Requirement[]} */
export const RUN_PROGRAMS = [
  { program: 'mariadbd', debian: 'mariadb-server-core', why: 'the database', unless: 'MYSQL_HOST' },
  { program: 'mariadb-install-db', debian: 'mariadb-server-core', why: 'the database', unless: 'MYSQL_HOST' },
  // mariadb-install-db calls it, and no dependency of its package brings it.
  { program: 'my_print_defaults', debian: 'mariadb-client-core', why: 'the database', unless: 'MYSQL_HOST' },
  { program: 'redis-server', debian: 'redis-server', why: 'the event bus and live state', unless: 'REDIS_HOST' },
  { program: 'rtpengine', debian: 'rtpengine-daemon', why: 'the media relay', unless: 'RTPENGINE_HOST' },
  { program: 'espeak-ng', debian: 'espeak-ng', why: 'the voice that speaks without a key' },
  {
    program: 'pocketsphinx_continuous',
    debian: 'pocketsphinx pocketsphinx-en-us',
    why: 'the ear that listens without a key',
    isOptional: true,
  },
];
/** What tests and measurements need beside that. They always run private services. @type {Requirement[]} */
export const TEST_PROGRAMS = [
  ...RUN_PROGRAMS.map(({ unless: _unless, ...requirement }) => requirement),
  { program: 'sipp', debian: 'sip-tester', why: 'the carrier in tests and measurements' },
];
/** What `npm test` needs beside those. @type {Requirement[]} */
export const BROWSER_PROGRAMS = [
  { program: 'chromium', debian: 'chromium', why: 'the browser in tests of WebRTC', isOptional: true },
];

/**
 * Folders in which programs are looked for: PATH and, after each `…/bin`, its `…/sbin`, because Debian keeps servers
 * there and an ordinary user's PATH does not name it.
 * @param {string | undefined} path
 */
function programFolders(path) {
  const folders = (path ?? '').split(delimiter).filter((folder) => folder !== '');
  return [
    ...folders,
    ...folders.filter((folder) => /\/bin\/?$/.test(folder)).map((folder) => folder.replace(/bin\/?$/, 'sbin')),
  ];
}

/** @param {string} name @param {string | undefined} path */
export function hasProgram(name, path) {
  return programFolders(path).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return statSync(join(folder, name)).isFile();
    } catch {
      return false; // Not here, or not executable.
    }
  });
}

/**
 * @param {Requirement[]} requirements
 * @param {NodeJS.ProcessEnv} env
 */
export function missingPrograms(requirements, env) {
  return requirements.filter(
    ({ program, unless }) => !(unless !== undefined && env[unless]) && !hasProgram(program, env.PATH),
  );
}

/** The Debian packages of some programs. @param {Requirement[]} requirements */
export function packagesOf(requirements) {
  return [...new Set(requirements.flatMap(({ debian }) => debian.split(' ')))];
}

/** Whether the system has Debian's packages: Debian itself and what calls itself like it. */
export function isDebianLike(osRelease = '/etc/os-release') {
  try {
    const ids = /^ID(?:_LIKE)?=.*$/gm;
    return (readFileSync(osRelease, 'utf8').match(ids) ?? []).some((line) => /\bdebian\b/.test(line));
  } catch {
    return false; // No such file: no Debian.
  }
}

/**
 * What to tell someone for whom nothing may be installed.
 * @param {Requirement[]} missing
 * @param {{ debianLike: boolean, apt?: boolean }} facts `apt`: whether there is an apt-get to install them with
 */
export function missingMessage(missing, { debianLike, apt = true }) {
  const packages = packagesOf(missing);
  const lines = missing.map(
    ({ program, debian, why, unless }) =>
      `  ${program} (${why}): package ${debian}${unless === undefined ? '' : `, or set ${unless} to use an existing one`}`,
  );
  const how =
    debianLike && apt
      ? `Install them, or run this command as root, and try again:\n  sudo apt-get install --no-install-recommends ${packages.join(' ')}`
      : `${apt ? '' : 'apt-get is not on PATH, so nothing can be installed from here. '}Put these programs on PATH and try again. On Debian 12 the packages are: ${packages.join(' ')}`;
  return ['These programs are missing:', ...lines, how].join('\n');
}
