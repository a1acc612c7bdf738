import type { DriverContext } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { docker } from './command.ts';
import type { Compose } from './compose.ts';

/** Pulls images that are missing, and builds those of services with a Dockerfile; else one error names them all. */
export async function provideImages(compose: Compose, context: DriverContext): Promise<void> {
  const { stack, services } = context;
  const built = services.filter((name) => stack.model.services[name]?.build !== undefined);
  if (built.length > 0 && stack.containersOnly) await compose.build(built, context);
  const pulled = services.filter((name) => !built.includes(name));
  if (pulled.length === 0) return;
  const images = new Map(pulled.map((name) => [name, stack.model.services[name]?.image ?? '']));
  const { stderr } = await docker(['image', 'inspect', ...new Set(images.values())], stack.environment);
  const absent = new Set([...stderr.matchAll(/No such image: (\S+)/g)].map((match) => match[1]));
  const missing = pulled.filter((name) => absent.has(images.get(name)));
  if (missing.length === 0) return;
  try {
    await compose.pull(missing, context);
  } catch (cause) {
    context.signal.throwIfAborted();
    throw notPullable([...new Set(missing.map((name) => images.get(name)!))], cause);
  }
}

function notPullable(images: readonly string[], cause: unknown): StackyardError {
  const what = images.length === 1 ? `the image ${images[0]} is` : `the images ${images.join(', ')} are`;
  return new StackyardError('STACKYARD_IMAGE_MISSING', `${what} not here and cannot be pulled`, {
    details: cause instanceof StackyardError ? cause.details.slice(-3) : [],
    hint: 'reach the registry (network, proxy, docker login), or build a stand-in: ./pnpmw images',
    cause,
  });
}
