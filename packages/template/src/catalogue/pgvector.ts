import type { CatalogueService } from './service.ts';

/** A PostgreSQL of its own for vectors, so that a variant can have both. */
export const pgvector: CatalogueService = {
  name: 'pgvector',
  summary: 'PostgreSQL 17 with pgvector',
  compose: ({ variant, snake, port }) => `\
image: pgvector/pgvector:0.8.6-pg17
environment:
  POSTGRES_USER: \${POSTGRES_USER:-postgres}
  POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:-postgres}
  POSTGRES_DB: ${snake}
ports:
  # Host port of ${variant}'s PostgreSQL with pgvector
  - "127.0.0.1:${port('PGVECTOR')}:5432"
volumes:
  - ./data/${variant}/pgvector:/var/lib/postgresql/data
healthcheck:
  test: ["CMD-SHELL", "pg_isready -q -h 127.0.0.1 -U $$\{POSTGRES_USER} -d $$\{POSTGRES_DB}"]
  interval: 1s
  timeout: 3s
  retries: 60
stop_signal: SIGINT
stop_grace_period: 60s
x-embedded:
  engine: pgvector
`,
  environment: ({ snake }) => ({
    VECTOR_DATABASE_URL: `postgresql://\${POSTGRES_USER:-postgres}:\${POSTGRES_PASSWORD:-postgres}@pgvector:5432/${snake}`,
  }),
};
