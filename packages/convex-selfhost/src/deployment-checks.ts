import type { Check } from './configuration.ts';
import { error, type Finding, warning } from './finding.ts';

const flags: Check = {
  id: 'convex-flags',
  about: 'switches',
  run({ environment, production }) {
    const switches = ['DO_NOT_REQUIRE_SSL', 'DISABLE_BEACON', 'REDACT_LOGS_TO_CLIENT'];
    const findings = switches
      .filter((name) => /^(false|0|no|off)$/i.test(environment[name] ?? ''))
      .map((name) =>
        error(
          'convex-flag-false',
          `${name}=${environment[name]} switches it on: any value does, "false" too.`,
          `Remove ${name} to switch it off, or write ${name}=true.`,
        ),
      );
    if (!environment.DISABLE_BEACON) {
      const message = 'The backend reports its version and uptime to Convex.';
      findings.push(warning('convex-telemetry', message, 'Set DISABLE_BEACON=true to switch that off.'));
    }
    if (production && !environment.REDACT_LOGS_TO_CLIENT) {
      const message = 'Error messages and logs of functions reach every client.';
      findings.push(warning('convex-redact-logs', message, 'Set REDACT_LOGS_TO_CLIENT=true.'));
    }
    return findings;
  },
};

const images: Check = {
  id: 'convex-images',
  about: 'versions of backend and dashboard',
  run({ backend, dashboard, production }) {
    const findings: Finding[] = [];
    const tags = [backend?.image, dashboard?.image].map(tagOf);
    const [backendTag, dashboardTag] = tags;
    if (backendTag !== undefined && dashboardTag !== undefined && backendTag !== dashboardTag) {
      const message = `The backend is at ${backendTag}, the dashboard at ${dashboardTag}; they work together at one revision.`;
      findings.push(error('convex-images-differ', message, 'Set the tag of both images with one variable.'));
    }
    if (tags.includes('latest')) {
      const message = 'An image has the tag "latest" and may change with every pull.';
      const fix = 'Name a revision: the hash of a commit of the backend.';
      findings.push((production ? error : warning)('convex-image-unpinned', message, fix));
    }
    return findings;
  },
};

/** The tag of an image; undefined for no image, and for one named by digest alone, which cannot be compared. */
function tagOf(image: string | undefined): string | undefined {
  if (image === undefined) return undefined;
  const [name = '', digest] = image.split('@');
  return tagIn(name) ?? (digest === undefined ? 'latest' : undefined);
}

function tagIn(name: string): string | undefined {
  return /:([^:/]+)$/.exec(name)?.[1];
}

const ports: Check = {
  id: 'convex-ports',
  about: 'ports',
  run({ ports: given = {} }) {
    const names = { api: 'API', site: 'HTTP actions', dashboard: 'dashboard' } as const;
    const used = new Map<number, string>();
    return (Object.keys(names) as (keyof typeof names)[]).flatMap((key): Finding[] => {
      const port = given[key];
      if (port === undefined) return [];
      const other = used.get(port);
      used.set(port, names[key]);
      if (other === undefined) return [];
      const message = `${other} and ${names[key]} are both on port ${port}.`;
      return [error('convex-ports-equal', message, 'Give each its own; usual are 3210, 3211 and 6791.')];
    });
  },
};

const origins: Check = {
  id: 'convex-origins',
  about: 'addresses that clients use',
  run({ environment, dashboard, production }) {
    const wanted: [string, string | null | undefined][] = [
      ['CONVEX_CLOUD_ORIGIN', environment.CONVEX_CLOUD_ORIGIN],
      ['CONVEX_SITE_ORIGIN', environment.CONVEX_SITE_ORIGIN],
    ];
    if (dashboard?.environment) {
      wanted.push(['NEXT_PUBLIC_DEPLOYMENT_URL', dashboard.environment.NEXT_PUBLIC_DEPLOYMENT_URL]);
    }
    return wanted.flatMap(([name, value]) => originFindings(name, value, production ?? false));
  },
};

function originFindings(name: string, value: string | null | undefined, production: boolean): Finding[] {
  if (!value) {
    const message = `${name} is not set, so clients are sent to an address of the container's own making.`;
    return [
      (production ? error : warning)('convex-origin-unset', message, `Set ${name} to what browsers use.`),
    ];
  }
  const url = URL.parse(value);
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '') {
    const message = `${name} is not an origin: scheme, host and port, nothing after.`;
    return [error('convex-origin-form', message, `Write it like https://convex.example.org.`)];
  }
  const inside = !url.hostname.includes('.') && url.hostname !== 'localhost' && !url.hostname.startsWith('[');
  const loopback = /^(localhost|127\.|\[::1\]|0\.0\.0\.0)/.test(url.hostname);
  if (inside || (production && loopback) || url.hostname === 'host.docker.internal') {
    const message = `${name} is ${url.origin}, which clients outside cannot reach.`;
    return [(inside ? warning : error)('convex-origin-inside', message, `Set ${name} to what browsers use.`)];
  }
  return [];
}

const buckets = ['EXPORTS', 'SNAPSHOT_IMPORTS', 'MODULES', 'FILES', 'SEARCH'].map(
  (use) => `S3_STORAGE_${use}_BUCKET`,
);

const storage: Check = {
  id: 'convex-s3',
  about: 'file storage',
  run({ environment }) {
    const needed = ['AWS_REGION', ...buckets];
    const begun = [...buckets, 'S3_ENDPOINT_URL'].some((name) => environment[name]);
    if (!begun) return [];
    const findings: Finding[] = [];
    const absent = needed.filter((name) => !environment[name]);
    if (absent.length > 0) {
      const message = `Files go to the local disk, not to S3: ${absent.join(', ')} ${absent.length === 1 ? 'is' : 'are'} not set.`;
      findings.push(error('convex-s3-incomplete', message, 'Set the region and all five buckets, or none.'));
    }
    if (environment.S3_ENDPOINT_URL && !environment.AWS_S3_FORCE_PATH_STYLE) {
      const message =
        'S3_ENDPOINT_URL is set without AWS_S3_FORCE_PATH_STYLE: buckets are looked for as host names.';
      findings.push(warning('convex-s3-path-style', message, 'Set AWS_S3_FORCE_PATH_STYLE=true.'));
    }
    return findings;
  },
};

const stopping: Check = {
  id: 'convex-stopping',
  about: 'orderly stop',
  run({ backend, environment }) {
    const findings: Finding[] = [];
    if (backend && backend.stopSignal !== 'SIGINT') {
      const message = 'The backend stops in good order on SIGINT only.';
      findings.push(warning('convex-stop-signal', message, 'Set stop_signal: SIGINT on the backend.'));
    }
    if (backend && backend.stopGracePeriod === undefined) {
      const message = 'No stop_grace_period is set for the backend.';
      findings.push(warning('convex-stop-grace', message, 'Set stop_grace_period: 10s.'));
    }
    const retention = environment.DOCUMENT_RETENTION_DELAY;
    if (retention && !/^\d+$/.test(retention)) {
      const message = 'DOCUMENT_RETENTION_DELAY is not a whole number of seconds.';
      findings.push(error('convex-retention', message, 'Write seconds, as in 172800, or leave it out.'));
    }
    return findings;
  },
};

const version: Check = {
  id: 'convex-version',
  about: 'answer of /version',
  run({ version: answer }) {
    if (answer?.trim() !== 'unknown') return [];
    const message = '/version answers "unknown".';
    return [
      {
        id: 'convex-version-unknown',
        severity: 'info',
        message,
        fix: 'Nothing to do: a fresh install does.',
      },
    ];
  },
};

export const deploymentChecks: readonly Check[] = [images, ports, origins, storage, flags, stopping, version];
