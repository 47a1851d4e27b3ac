/** Child process of `database.test.ts`: applies the migrations and tells its parent which ones it applied. */
import { silentLogger } from '../testing/logger.js';
import { type MysqlConfig, openDatabase } from './database.js';
import { migrate } from './migrate.js';

const logger = silentLogger();
const db = openDatabase(JSON.parse(process.argv[2] ?? '') as MysqlConfig, { logger });
process.send?.(await migrate(db, { logger }));
await db.close();
process.disconnect();
