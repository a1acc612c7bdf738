import type { Service } from '@stackyard/compose';
import type { Stack } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import type { PortRecord } from '../../state.ts';

/** Where a client of this machine connects to a service: by what its image is, and by the ports it publishes. */
export function connectionUrl(service: Service, ports: readonly PortRecord[]): string | undefined {
  const { environment } = service;
  const postgres = ports.find(({ container }) => container === 5432);
  if (postgres && environment?.POSTGRES_PASSWORD) {
    const user = environment.POSTGRES_USER || 'postgres';
    const url = new URL(`postgresql://127.0.0.1:${postgres.host}/${environment.POSTGRES_DB || user}`);
    url.username = encodeURIComponent(user);
    url.password = encodeURIComponent(environment.POSTGRES_PASSWORD);
    return url.href;
  }
  const first = ports[0];
  if (!first) return undefined;
  return `${first.container === 6379 ? 'redis' : 'http'}://127.0.0.1:${first.host}`;
}

/**
 * Logs in to a PostgreSQL once. The image only uses its variables when it makes the data, so a server that is healthy
 * may still refuse everybody: with an old volume and a new password.
 */
export async function refuseOtherCredentials(
  stack: Stack,
  service: string,
  url: string | undefined,
): Promise<void> {
  if (!url?.startsWith('postgresql:')) return;
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on('error', () => {}); // a server that ends is told by its container
  try {
    await client.connect();
  } catch (cause) {
    const { code } = cause as { code?: string };
    const what = {
      '28P01': 'another POSTGRES_PASSWORD',
      '28000': 'another POSTGRES_USER',
      '3D000': 'another POSTGRES_DB',
    };
    const difference = what[code as keyof typeof what];
    if (difference === undefined) return; // its health check has the say
    throw otherCredentials(stack, service, difference, cause);
  } finally {
    await client.end().catch(() => {});
  }
}

function otherCredentials(stack: Stack, service: string, difference: string, cause: unknown): StackyardError {
  return new StackyardError(
    'STACKYARD_DATA_CREDENTIALS',
    `the data of ${service} were made with ${difference}`,
    {
      details: [
        'Three ways out:',
        '  restore  set the old value again in .env',
        '  migrate  set the old value, dump the data, and load them after a reset',
        `  reset    stackyard reset ${stack.variant.name}, which begins with an empty database`,
      ],
      hint: 'a database keeps the credentials it was made with, whatever the environment says later',
      cause,
    },
  );
}
