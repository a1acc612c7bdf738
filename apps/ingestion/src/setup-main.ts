/** Entry point: `pnpm setup`. */
import { setupEnv } from './config.ts';
import { describe } from './log.ts';
import { setup } from './setup.ts';

try {
  const env = setupEnv.parse(process.env);
  await setup({
    databaseUrl: env.DATABASE_URL,
    queueUrl: env.QUEUE_URL,
    anonymousTenant: env.ANONYMOUS_TENANT,
    onProgress: (line) => console.log(line),
  });
} catch (error) {
  console.error(describe(error));
  process.exitCode = 1;
}
