import type { Check } from './configuration.ts';
import { error, warning } from './finding.ts';
import { runningName } from './identity-checks.ts';
import { databaseName, isInstanceName } from './instance.ts';
import { checkPostgresUrl } from './postgres-url.ts';

const postgresUrl: Check = {
  id: 'convex-postgres-url',
  about: 'POSTGRES_URL',
  run({ environment, backend }) {
    if (!environment.POSTGRES_URL) return [];
    return checkPostgresUrl(environment.POSTGRES_URL, {
      doNotRequireSsl: Boolean(environment.DO_NOT_REQUIRE_SSL),
      inContainer: backend !== undefined,
    });
  },
};

const database: Check = {
  id: 'convex-database',
  about: 'database of the instance',
  run(configuration) {
    const name = runningName(configuration);
    if (!configuration.environment.POSTGRES_URL || !configuration.databases || !isInstanceName(name))
      return [];
    const wanted = databaseName(name);
    if (configuration.databases.includes(wanted)) return [];
    const message = `The database "${wanted}" of the instance "${name}" does not exist; the backend does not make it.`;
    return [error('convex-database-missing', message, `Run: CREATE DATABASE "${wanted}"`)];
  },
};

const hostGateway: Check = {
  id: 'convex-host-gateway',
  about: 'database on the machine itself',
  run({ environment, backend }) {
    if (!environment.POSTGRES_URL?.includes('host.docker.internal') || !backend) return [];
    if (backend.extraHosts?.some((host) => /^host\.docker\.internal[:=]/.test(host))) return [];
    return [
      error(
        'convex-host-gateway',
        'POSTGRES_URL names host.docker.internal, which the container cannot resolve on Linux.',
        'Add extra_hosts: ["host.docker.internal:host-gateway"]; listen_addresses and pg_hba.conf of the server must allow the Docker networks.',
      ),
    ];
  },
};

const productionTls: Check = {
  id: 'convex-tls',
  about: 'TLS to the database',
  run({ environment, production }) {
    if (!production || !environment.POSTGRES_URL || !environment.DO_NOT_REQUIRE_SSL) return [];
    const message = 'DO_NOT_REQUIRE_SSL is set, so passwords and data may cross the network in the clear.';
    const fix =
      'Remove the variable (an empty value too) unless the database is on a private network of this host.';
    return [warning('convex-tls-not-required', message, fix)];
  },
};

export const databaseChecks: readonly Check[] = [postgresUrl, database, hostGateway, productionTls];
