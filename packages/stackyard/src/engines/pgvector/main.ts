/** The process that the engine launches: one PGlite, served on one port, until SIGTERM, SIGINT or the parent's end. */
import { openDatabase } from './database.ts';
import { serve } from './server.ts';

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined)
    throw new Error(`${name} is not set: this process is started by the engine pgvector`);
  return value;
}

const stop = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => resolve());
  // Whoever started this process with a pipe may be gone without a signal.
  if (process.stdin.isTTY !== true && process.env.PGVECTOR_PARENT === 'pipe') {
    process.stdin.on('close', () => resolve()).resume();
  }
});

try {
  await using stack = new AsyncDisposableStack();
  const user = required('POSTGRES_USER');
  const name = required('POSTGRES_DB');
  const { database } = stack.use(
    await openDatabase({ directory: required('PGVECTOR_DATA'), user, database: name }),
  );
  const idle = process.env.PGVECTOR_IDLE_IN_TRANSACTION_MS;
  const server = stack.use(
    await serve(database, {
      host: required('PGVECTOR_HOST'),
      port: Number(required('PGVECTOR_PORT')),
      user,
      password: process.env.POSTGRES_PASSWORD,
      database: name,
      ...(idle === undefined ? {} : { idleInTransactionMs: Number(idle) }),
    }),
  );
  console.log(`ready on port ${server.port}`);
  await stop;
} catch (error) {
  const hint = error instanceof Error && 'hint' in error ? `\n${String(error.hint)}` : '';
  console.error(`${error instanceof Error ? error.message : String(error)}${hint}`);
  process.exitCode = 1;
}
// PGlite keeps handles that would hold the process open.
process.exit();
