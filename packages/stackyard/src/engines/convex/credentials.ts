import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  defaultInstanceName,
  generateInstanceSecret,
  isInstanceName,
  isInstanceSecret,
} from '@stackyard/convex-selfhost';
import { EngineError } from '../engine-error.ts';

export interface ConvexCredentials {
  readonly instanceName: string;
  readonly instanceSecret: string;
}

function stored(data: string, file: string): string | undefined {
  try {
    return readFileSync(path.join(data, 'credentials', file), 'utf8').trim() || undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function pick(name: string, given: string | undefined, kept: string | undefined): string | undefined {
  if (given && kept && given !== kept) {
    throw new EngineError(
      'ENGINE_CONVEX_CREDENTIALS',
      `${name} is not the one that the data folder was made with.`,
      `set ${name} back to the old value, or start anew: stackyard reset`,
    );
  }
  return given || kept;
}

/**
 * Name and secret of the instance, as the official image settles them: from the environment, else from the data
 * folder, else new. What was settled is kept in the data folder, so that keys stay valid.
 */
export function settleCredentials(
  data: string,
  environment: Readonly<Record<string, string>>,
): ConvexCredentials {
  const instanceName =
    pick('INSTANCE_NAME', environment.INSTANCE_NAME, stored(data, 'instance_name')) ?? defaultInstanceName;
  const instanceSecret =
    pick('INSTANCE_SECRET', environment.INSTANCE_SECRET, stored(data, 'instance_secret')) ??
    generateInstanceSecret();
  if (!isInstanceName(instanceName)) {
    throw new EngineError(
      'ENGINE_CONVEX_CREDENTIALS',
      `INSTANCE_NAME "${instanceName}" is no instance name.`,
      'use lower-case letters, digits and hyphens',
    );
  }
  if (!isInstanceSecret(instanceSecret)) {
    throw new EngineError(
      'ENGINE_CONVEX_CREDENTIALS',
      'INSTANCE_SECRET is not 64 hexadecimal characters.',
      'make one: stackyard convex secret',
    );
  }
  const folder = path.join(data, 'credentials');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(folder, 'instance_name'), `${instanceName}\n`, { mode: 0o600 });
  writeFileSync(path.join(folder, 'instance_secret'), `${instanceSecret}\n`, { mode: 0o600 });
  return { instanceName, instanceSecret };
}
