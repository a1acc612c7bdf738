import { inspectAdminKey } from './admin-key.ts';
import type { Check, SelfhostConfiguration } from './configuration.ts';
import { error, type Finding, warning } from './finding.ts';
import { defaultInstanceName, isInstanceName, isInstanceSecret } from './instance.ts';

// Public development credentials: anyone can issue keys for a deployment that uses them.
const knownSecrets = new Set([
  '4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974',
  '0'.repeat(64),
]);

const makeSecret = 'Make one with openssl rand -hex 32 and set it as INSTANCE_SECRET.';
const keepStored =
  'Set the environment to what credentials/ in the volume holds, or begin with an empty volume after an export.';

/** The name that the backend runs under: a volume's own wins over the environment, which wins over the default. */
export function runningName({ environment, stored }: SelfhostConfiguration): string {
  return stored?.instanceName || environment.INSTANCE_NAME || defaultInstanceName;
}

const instanceName: Check = {
  id: 'convex-instance-name',
  about: 'instance name',
  run({ environment: { INSTANCE_NAME: name }, stored, production }) {
    if (name && !isInstanceName(name)) {
      const message = `INSTANCE_NAME is ${JSON.stringify(name)}; it takes letters, digits, - and _, 63 at most.`;
      return [error('convex-instance-name', message, 'Choose such a name and issue new admin keys.')];
    }
    if (stored?.instanceName && name && stored.instanceName !== name) {
      const message = `The data volume was made for the instance "${stored.instanceName}", INSTANCE_NAME is "${name}".`;
      return [error('convex-instance-name-stored', message, keepStored)];
    }
    if (!name && production) {
      const message = 'INSTANCE_NAME is not set, so the default counts, and changes with the image.';
      return [warning('convex-instance-name-unset', message, `Set INSTANCE_NAME=${defaultInstanceName}.`)];
    }
    return [];
  },
};

const instanceSecret: Check = {
  id: 'convex-instance-secret',
  about: 'instance secret',
  run({ environment: { INSTANCE_SECRET: secret }, stored, production }) {
    const findings: Finding[] = [];
    if (!secret) {
      const message =
        'INSTANCE_SECRET is not set: the backend makes one and keeps it in the data volume alone.';
      return [(production ? error : warning)('convex-instance-secret-unset', message, makeSecret)];
    }
    if (!isInstanceSecret(secret)) {
      findings.push(
        error('convex-instance-secret', 'INSTANCE_SECRET is not 64 hexadecimal digits.', makeSecret),
      );
    }
    if (knownSecrets.has(secret.toLowerCase())) {
      const message =
        'INSTANCE_SECRET is a publicly known development value: anyone can issue admin keys for it.';
      findings.push((production ? error : warning)('convex-instance-secret-known', message, makeSecret));
    }
    if (stored?.instanceSecret && stored.instanceSecret.trim().toLowerCase() !== secret.toLowerCase()) {
      const message = 'The data volume was made with another INSTANCE_SECRET, and that one counts.';
      findings.push(error('convex-instance-secret-stored', message, keepStored));
    }
    return findings;
  },
};

const adminKey: Check = {
  id: 'convex-admin-key',
  about: 'admin key',
  run(configuration) {
    const { environment, stored, adminKey: key } = configuration;
    const secret = stored?.instanceSecret?.trim() || environment.INSTANCE_SECRET;
    const name = runningName(configuration);
    if (!key || !secret || !isInstanceSecret(secret) || !isInstanceName(name)) return [];
    const inspection = inspectAdminKey(key, { instanceName: name, instanceSecret: secret });
    if (inspection.verdict === 'valid') return [];
    const fix = inspection.fix ?? '';
    if (inspection.verdict === 'read-only')
      return [warning('convex-admin-key-read-only', inspection.message, fix)];
    return [error(`convex-admin-key-${inspection.verdict}`, `BadAdminKey: ${inspection.message}`, fix)];
  },
};

export const identityChecks: readonly Check[] = [instanceName, instanceSecret, adminKey];
