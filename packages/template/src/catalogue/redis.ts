import type { CatalogueService } from './service.ts';

/** Redis that keeps its data. */
export const redis: CatalogueService = {
  name: 'redis',
  summary: 'Redis 8',
  compose: ({ variant, port }) => `\
image: redis:8.2-alpine
command: ["redis-server", "--appendonly", "yes"]
ports:
  # Host port of ${variant}'s Redis
  - "127.0.0.1:${port('REDIS')}:6379"
volumes:
  - ./data/${variant}/redis:/data
healthcheck:
  test: ["CMD", "redis-cli", "ping"]
  interval: 1s
  timeout: 3s
  retries: 60
`,
  environment: () => ({ REDIS_URL: 'redis://redis:6379' }),
  withoutEngine:
    'there is no embedded Redis: without Docker it is not started, and REDIS_URL is unset, so have something to fall back on',
};
