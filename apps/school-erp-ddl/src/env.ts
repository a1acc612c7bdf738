import { defineEnv, port, secret, url } from '@stackyard/env';

/** What the `erp` programs read from their environment. */
export const env = defineEnv({
  DATABASE_URL: secret(url({ protocols: ['postgresql', 'postgres'] })).describe(
    'Connection URL of the school ERP database',
  ),
});

/** What the explorer reads from its environment. */
export const explorerEnv = defineEnv({
  DATABASE_URL: secret(url({ protocols: ['postgresql', 'postgres'] })).describe(
    'Connection URL of the school ERP database',
  ),
  PORT: port().default(4200).describe('Port of the explorer'),
});
