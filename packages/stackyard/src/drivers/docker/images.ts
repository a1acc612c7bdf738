import { existsSync } from 'node:fs';
import path from 'node:path';
import type { DriverContext } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { docker } from './command.ts';
import type { Compose } from './compose.ts';

/** An image's name without tag and digest; a registry's port stays. */
export const repository = (image: string): string => image.replace(/@.*$/, '').replace(/:[^:/]*$/, '');

/** The services whose image has to be pulled first; those with a Dockerfile are built. */
export async function missingImages({ stack, services }: DriverContext): Promise<string[]> {
  const image = (name: string) => stack.model.services[name]?.image ?? '';
  const pulled = services.filter((name) => stack.model.services[name]?.build === undefined);
  if (pulled.length === 0) return [];
  const { stderr } = await docker(['image', 'inspect', ...new Set(pulled.map(image))], stack.environment);
  const absent = new Set([...stderr.matchAll(/No such image: (\S+)/g)].map((match) => match[1]));
  return pulled.filter((name) => absent.has(image(name)));
}

/** Pulls images that are missing, and with `--build` builds the others; one error names all that cannot be had. */
export async function provideImages(
  compose: Compose,
  missing: readonly string[],
  context: DriverContext,
): Promise<void> {
  const { stack, services } = context;
  const built = services.filter((name) => stack.model.services[name]?.build !== undefined);
  if (built.length > 0 && stack.containersOnly) await compose.build(built, context);
  if (missing.length === 0) return;
  try {
    await compose.pull(missing, context);
  } catch (cause) {
    context.signal.throwIfAborted();
    const images = missing.map((name) => stack.model.services[name]?.image ?? '');
    throw notPullable(stack.variant.root, [...new Set(images)], cause);
  }
}

function notPullable(root: string, images: readonly string[], cause: unknown): StackyardError {
  const what = images.length === 1 ? `the image ${images[0]} is` : `the images ${images.join(', ')} are`;
  const ways = ['reach the registry (network, proxy, docker login)', ...standIns(root, images)];
  return new StackyardError('STACKYARD_IMAGE_MISSING', `${what} not here and cannot be pulled`, {
    details: cause instanceof StackyardError ? [...new Set(cause.details)].slice(-3) : [],
    hint: `${ways.join(', ')}, or use --driver embedded`,
    cause,
  });
}

/** The command that builds what the checkout has recipes for. */
function standIns(root: string, images: readonly string[]): string[] {
  const known = images.map(repository).filter((name) => existsSync(path.join(root, 'infra', 'images', name)));
  return known.length > 0 ? [`build a stand-in (./pnpmw images ${[...new Set(known)].join(' ')})`] : [];
}
