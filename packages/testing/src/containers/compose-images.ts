import { globSync } from 'node:fs';
import { join } from 'node:path';
import { type ComposeModel, loadCompose } from '@stackyard/compose';
import { ContainerError } from './container-engine.ts';

/** The base of a checkout (`infra`) and every variant, as the Compose files describe them with all profiles, by name. */
export function composeModels(root: string): ReadonlyMap<string, ComposeModel> {
  const base = join(root, 'infra', 'compose.yaml');
  // Not this machine's .env: what is tested is what the files say.
  const load = (...files: string[]) =>
    loadCompose({ files, env: {}, envFiles: [], projectDirectory: root, profiles: ['*'] });
  const overrides = globSync('apps/*/compose.yaml', { cwd: root }).sort();
  return new Map([
    ['infra', load(base)],
    ...overrides.map((override) => {
      const name = override.split(/[\\/]/)[1] as string;
      return [name, load(base, join(root, override))] as const;
    }),
  ]);
}

/**
 * The image of the services that the embedded engine `engine` stands in for: what passes on the engine is then proven
 * on that very image. A service that names no engine counts as that of its own name: the base leaves it to the variants.
 *
 * @throws ContainerError when the files name none, or several
 */
export function imageOf(engine: string, models: ReadonlyMap<string, ComposeModel>): string {
  const places = new Map<string, string[]>();
  for (const [variant, { services }] of models) {
    for (const [name, service] of Object.entries(services)) {
      const field = service['x-embedded'] as { engine?: unknown } | undefined;
      if ((field?.engine ?? name) !== engine || service.image === undefined) continue;
      places.set(service.image, [...(places.get(service.image) ?? []), `${variant} ${name}`]);
    }
  }
  const [first, ...others] = places.keys();
  if (first !== undefined && others.length === 0) return first;
  const named = [...places].map(([image, users]) => `${image} (${users.join(', ')})`).join(', ');
  throw new ContainerError(
    'TESTING_IMAGE',
    first === undefined
      ? `No service of the Compose files has an image and the engine ${engine}`
      : `The Compose files name several images for the engine ${engine}: ${named}`,
    'name one, in infra/compose.yaml',
  );
}
