import { inject } from 'vitest';
import type {} from './vitest-global-setup.ts';

let answer: Promise<string> | undefined;

/**
 * Connection URL of the run's PostgreSQL, as its superuser. All test files share that server: a test makes itself a
 * database (`usePostgres`) rather than use the one named here.
 */
export function postgresUrl(): Promise<string> {
  answer ??= ask(inject('stackyardPostgres'));
  return answer;
}

async function ask(address: string | undefined): Promise<string> {
  if (!address) {
    throw new Error(
      'No test server: name @stackyard/testing/vitest-global-setup as `globalSetup` of Vitest.',
    );
  }
  const response = await fetch(address);
  const text = await response.text();
  if (!response.ok) throw new Error(`The test server did not start: ${text}`);
  return text;
}
