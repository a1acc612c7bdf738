import { fileURLToPath } from 'node:url';

/** The folder of the schema's forward migrations, one folder a domain. */
export const MIGRATIONS = fileURLToPath(new URL('../db/migrations', import.meta.url));
