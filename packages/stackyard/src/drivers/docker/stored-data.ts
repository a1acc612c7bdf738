import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { Stack, StoredData } from '../../driver.ts';
import { StackyardError } from '../../errors.ts';
import { removeTree } from '../../remove-folder.ts';
import { folderSize } from '../embedded/folder-size.ts';
import { type DockerEnvironment, docker } from './command.ts';
import { projectName } from './project.ts';
import { engineError } from './tool.ts';

/** Where a service of a stack stores something. */
export interface Storage {
  /** Path inside the container. */
  readonly target: string;
  /** Absolute path of a bind mount below `data/`. */
  readonly folder?: string;
  /** The engine's name of a volume. */
  readonly volume?: string;
}

/** A service's own storage: what it may only read, or what lies outside `data/`, is somebody else's. */
export function storage({ model, variant }: Stack, service: string): Storage[] {
  const home = path.join(variant.root, 'data') + path.sep;
  const project = projectName(variant.root, variant.name);
  return (model.services[service]?.volumes ?? []).flatMap(
    ({ type, source, target, read_only: readOnly }): Storage[] => {
      if (source === undefined || readOnly) return [];
      if (type === 'bind') return source.startsWith(home) ? [{ target, folder: source }] : [];
      const volume = model.volumes?.[source] as { name?: string; external?: unknown } | null | undefined;
      if (type !== 'volume' || volume?.external) return [];
      // The model names volumes after its own project, which is the variant.
      const name = volume?.name;
      const given = name !== undefined && name !== `${model.name}_${source}`;
      return [{ target, volume: given ? name : `${project}_${source}` }];
    },
  );
}

/** What the services of a stack have stored. */
export function storedData(stack: Stack): StoredData[] {
  return Object.entries(stack.model.services).flatMap(([service, { image }]) =>
    storage(stack, service).map(({ folder, volume }) =>
      folder === undefined
        ? storedVolume(stack, service, volume!, image)
        : storedFolder(stack, service, folder, image),
    ),
  );
}

function storedFolder(stack: Stack, service: string, folder: string, image: string | undefined): StoredData {
  return {
    service,
    label: path.relative(stack.variant.root, folder),
    folder,
    size: () => {
      if (!existsSync(folder)) return undefined;
      const bytes = canEnter(folder) ? folderSize(folder) : sizeInside(stack, image, `${folder}:/stored`);
      return bytes > 0 ? bytes : undefined;
    },
    remove: () => removeContainersFolder(folder, image, stack.environment),
  };
}

/** Removes a folder whose files may be those of a container's user: a container may remove them. */
export async function removeContainersFolder(
  folder: string,
  image: string | undefined,
  environment: DockerEnvironment,
): Promise<void> {
  await removeTree(folder).catch(async (error: NodeJS.ErrnoException) => {
    if ((error.code !== 'EACCES' && error.code !== 'EPERM') || image === undefined) throw error;
    const inside = `/stored/${path.basename(folder)}`;
    const mount = `${path.dirname(folder)}:/stored`;
    await docker(
      ['run', '--rm', '--user', '0', '--entrypoint', 'rm', '--volume', mount, image, '-rf', inside],
      environment,
    );
    await removeTree(folder);
  });
}

function storedVolume(stack: Stack, service: string, volume: string, image: string | undefined): StoredData {
  return {
    service,
    label: `volume ${volume}`,
    size: () => {
      try {
        execFileSync('docker', ['volume', 'inspect', volume], {
          env: { ...stack.environment },
          encoding: 'utf8',
          stdio: ['ignore', 'ignore', 'pipe'],
        });
      } catch (error) {
        const stderr = (error as { stderr: string | null }).stderr ?? '';
        if (/no such volume/i.test(stderr)) return undefined;
        throw engineError(stderr, stack.environment); // there may be one, and it cannot be told
      }
      return sizeInside(stack, image, `${volume}:/stored`);
    },
    remove: async () => {
      const { code, stderr } = await docker(['volume', 'rm', '--force', volume], stack.environment);
      if (code !== 0) throw notRemoved(volume, stderr);
    },
  };
}

function notRemoved(volume: string, said: string): StackyardError {
  return new StackyardError('STACKYARD_VOLUME_KEPT', `the volume ${volume} could not be removed`, {
    details: said.trim().split('\n').slice(0, 3),
    hint: `remove the containers that use it (docker ps --all --filter volume=${volume}), then run this again`,
  });
}

function canEnter(folder: string): boolean {
  try {
    readdirSync(folder);
    return true;
  } catch {
    return false;
  }
}

/** Bytes of what only a container can read; 1 where even that cannot be told: there is something. */
function sizeInside(stack: Stack, image: string | undefined, mount: string): number {
  if (image === undefined) return 1;
  const args = ['--user', '0', '--entrypoint', 'du', '--volume', `${mount}:ro`, image, '-sk', '/stored'];
  try {
    const text = execFileSync('docker', ['run', '--rm', '--pull', 'never', ...args], {
      env: { ...stack.environment },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(text, 10) * 1024 || 1;
  } catch {
    return 1;
  }
}
