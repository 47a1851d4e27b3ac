/** Writes the verb reference to the file named on the command line. A tool of the build, not part of the package. */
import { writeFileSync } from 'node:fs';
import { renderVerbReference } from './docs.js';

const path = process.argv[2];
if (path === undefined) {
  process.stderr.write('usage: node dist/docs-main.js <file>\n');
  process.exit(2);
}
writeFileSync(path, renderVerbReference());
