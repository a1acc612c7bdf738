import type { CatalogueService } from './service.ts';

/** A self-hosted Convex. */
export const convex: CatalogueService = {
  name: 'convex',
  summary: 'a self-hosted Convex',
  compose: ({ variant, prefix, port }) => {
    const [api, site] = [port('CONVEX'), port('HTTP_ACTIONS')];
    return `\
image: ghcr.io/get-convex/convex-backend:4d3b0a5de955a258e70e3813bbff486051d88820
environment:
  INSTANCE_NAME: ${variant}
  # Secret of ${variant}'s Convex instance, 64 hex characters; made once per checkout where it is not set
  INSTANCE_SECRET: \${${prefix}_CONVEX_SECRET:-}
  CONVEX_CLOUD_ORIGIN: http://127.0.0.1:${api}
  CONVEX_SITE_ORIGIN: http://127.0.0.1:${site}
  DISABLE_BEACON: "true"
ports:
  # Host port of ${variant}'s Convex API
  - "127.0.0.1:${api}:3210"
  # Host port of its HTTP actions
  - "127.0.0.1:${site}:3211"
volumes:
  - ./data/${variant}/convex:/convex/data
healthcheck:
  test: ["CMD", "curl", "-fsS", "http://127.0.0.1:3210/version"]
  interval: 1s
  timeout: 3s
  retries: 60
stop_signal: SIGINT
stop_grace_period: 10s
x-embedded:
  engine: convex
`;
  },
  environment: ({ prefix }) => ({
    CONVEX_SELF_HOSTED_URL: 'http://convex:3210',
    CONVEX_SELF_HOSTED_ADMIN_KEY: `\${${prefix}_CONVEX_ADMIN_KEY:-}`,
  }),
  generate: ({ variant, prefix }) => `\
${prefix}_CONVEX_SECRET: { hex: 32 }
${prefix}_CONVEX_ADMIN_KEY:
  convex-admin-key:
    name: ${variant}
    secret: \${${prefix}_CONVEX_SECRET:-}
`,
};
