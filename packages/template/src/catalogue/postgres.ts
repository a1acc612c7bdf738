import type { CatalogueService } from './service.ts';

/** PostgreSQL 17, as the base describes it. */
export const postgres: CatalogueService = {
  name: 'postgres',
  summary: 'PostgreSQL 17',
  compose: ({ variant, snake, port }) => `\
environment:
  POSTGRES_DB: ${snake}
ports:
  # Host port of ${variant}'s PostgreSQL
  - "127.0.0.1:${port('POSTGRES')}:5432"
volumes:
  - ./data/${variant}/postgres:/var/lib/postgresql/data
x-embedded:
  engine: postgres
`,
  environment: ({ snake }) => ({
    DATABASE_URL: `postgresql://\${POSTGRES_USER:-postgres}:\${POSTGRES_PASSWORD:-postgres}@postgres:5432/${snake}`,
  }),
};
