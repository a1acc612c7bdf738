import { defineEnv, secret, url } from '@stackyard/env';

/** What the `erp` programs read from their environment. */
export const env = defineEnv({
  DATABASE_URL: secret(url({ protocols: ['postgresql', 'postgres'] })).describe(
    'Connection URL of the school ERP database',
  ),
});
