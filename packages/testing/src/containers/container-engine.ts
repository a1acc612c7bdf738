import type { ContainerRuntimeClient } from 'testcontainers';

/** What the container backend cannot do without. `code` starts with `TESTING_`. */
export class ContainerError extends Error {
  override readonly name = 'ContainerError';
  readonly code: `TESTING_${string}`;
  readonly hint: string;

  constructor(code: `TESTING_${string}`, message: string, hint: string, options?: ErrorOptions) {
    // Vitest shows the message alone.
    super(`${message}: ${hint}`, options);
    this.code = code;
    this.hint = hint;
  }
}

/**
 * The Docker engine that testcontainers finds: `DOCKER_HOST`, the usual sockets, rootless ones.
 *
 * @throws ContainerError in one sentence when none answers
 */
export async function containerEngine(): Promise<ContainerRuntimeClient> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  try {
    return await getContainerRuntimeClient();
  } catch (cause) {
    throw new ContainerError(
      'TESTING_NO_DOCKER',
      'The container tests need a Docker engine and none answers',
      'start one that this user may use, or run ./pnpmw test, which needs none',
      { cause },
    );
  }
}
