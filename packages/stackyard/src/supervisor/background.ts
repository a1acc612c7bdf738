import { writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import path from 'node:path';

/** What `stackyard up` asks for, as the one argument of this program. */
export interface SupervisorRequest {
  readonly root: string;
  readonly variant: string;
  readonly driver: string | undefined;
  readonly profiles: readonly string[];
}

if (import.meta.main) {
  enableCompileCache(
    path.join(import.meta.dirname, '..', '..', '..', '..', '.stackyard', 'cache', 'compile'),
  );
  const { supervise } = await import('./supervise.ts');
  process.exitCode = await supervise(JSON.parse(process.argv[2] ?? '{}'), tell);
}

/** One line to the command that waits; nobody listens any more once it has gone. */
function tell(message: unknown): void {
  try {
    writeSync(3, `${JSON.stringify(message)}\n`);
  } catch {
    // the command was interrupted or has seen enough
  }
}
