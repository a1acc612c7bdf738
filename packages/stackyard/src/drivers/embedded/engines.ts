import type { Engine } from '../../engine.ts';

/** Loaders by the name that `x-embedded.engine` gives: an engine's module, and what it needs, loads when it starts. */
const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  postgres: async () => (await import('./postgres.ts')).engine,
  convex: async () => (await import('./convex.ts')).engine,
  pgvector: async () => (await import('./pgvector.ts')).pgvector,
  process: async () => (await import('./process.ts')).engine,
};

export const engineNames: readonly string[] = Object.keys(engines);

export async function loadEngine(name: string): Promise<Engine> {
  return engines[name]!();
}
