import { globSync } from 'node:fs';
import { join } from 'node:path';
import { type ComposeModel, loadCompose } from '@stackyard/compose';
import { ContainerError } from './container-engine.ts';

/** Every variant of a checkout as its Compose files describe it, with all profiles, by name. */
export function composeModels(root: string): ReadonlyMap<string, ComposeModel> {
  const base = join(root, 'infra', 'compose.yaml');
  const overrides = globSync('apps/*/compose.yaml', { cwd: root }).sort();
  return new Map(
    overrides.map((override) => {
      const files = [base, join(root, override)];
      const name = override.split(/[\\/]/)[1] as string;
      // Not this machine's .env: what is tested is what the files say.
      return [name, loadCompose({ files, env: {}, envFiles: [], projectDirectory: root, profiles: ['*'] })];
    }),
  );
}

/**
 * The image of the services that the embedded engine `engine` stands in for: what passes on the engine is then proven
 * on that very image.
 *
 * @throws ContainerError when the files name none, or several
 */
export function imageOf(engine: string, models: ReadonlyMap<string, ComposeModel>): string {
  const places = new Map<string, string[]>();
  for (const [variant, { services }] of models) {
    for (const [name, service] of Object.entries(services)) {
      const field = service['x-embedded'] as { engine?: unknown } | undefined;
      if (field?.engine !== engine || service.image === undefined) continue;
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
