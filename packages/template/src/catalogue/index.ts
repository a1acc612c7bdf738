import { convex } from './convex.ts';
import { objectStore } from './object-store.ts';
import { pgvector } from './pgvector.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import type { CatalogueService } from './service.ts';

/** What `stackyard add` knows, in the order of its help. */
export const catalogue: readonly CatalogueService[] = [
  postgres,
  pgvector, // only: pgvector
  redis,
  objectStore,
  convex, // only: convex
];
