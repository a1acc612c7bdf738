import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Service } from '@stackyard/compose';
import type {
  Driver,
  DriverContext,
  DriverSession,
  Placement,
  Running,
  Stack,
  StoredData,
} from '../../driver.ts';
import { endLeftovers } from '../../leftovers.ts';
import { removeFolder } from '../../remove-folder.ts';
import type { StackState } from '../../state.ts';
import { engineNames } from './engines.ts';
import { embeddedField, engineDirectory } from './fields.ts';
import { folderSize } from './folder-size.ts';
import { mounts } from './mounts.ts';

/** Runs services as processes of this machine, each by an engine that its `x-embedded` names. */
export const embedded: Driver = {
  name: 'embedded',
  place,
  open: async (context) => new EmbeddedSession(context),
  recover,
  data,
};

function place(_name: string, service: Service): Placement {
  const field = service['x-embedded'];
  if (field === undefined || field === null || field === false) {
    return { kind: 'skip', reason: 'it has no x-embedded, so only a driver with containers runs it' };
  }
  const engine = embeddedField(service)?.engine;
  if (typeof engine !== 'string' || !engineNames.includes(engine)) {
    const given = engine === undefined ? 'names no engine' : `names the engine ${JSON.stringify(engine)}`;
    return { kind: 'refuse', reason: `its x-embedded ${given}; the engines are ${engineNames.join(', ')}` };
  }
  return { kind: 'run', as: `engine ${engine}` };
}

class EmbeddedSession implements DriverSession {
  readonly #context: DriverContext;

  constructor(context: DriverContext) {
    this.#context = context;
  }

  async start(name: string): Promise<Running> {
    const { startService } = await import('./service.ts');
    return startService(name, this.#context);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** Ends processes that outlived their supervisor and its watchdog. */
async function recover(state: StackState): Promise<undefined> {
  await endLeftovers(Object.values(state.services).flatMap(({ process }) => process ?? []));
}

function data(stack: Stack): StoredData[] {
  const { root, stateDirectory } = stack.variant;
  const home = path.join(root, 'data') + path.sep;
  return Object.entries(stack.model.services).flatMap(([name, service]) => {
    if (!embeddedField(service)) return [];
    // Only below data/: a bind mount of anything else holds what Stackyard did not make.
    const folders = mounts(stack, service).filter((mount) => !mount.readOnly && mount.path.startsWith(home));
    return [...folders.map((mount) => mount.path), engineDirectory(stateDirectory, name)].map((folder) =>
      storedFolder(name, folder, root),
    );
  });
}

function storedFolder(service: string, folder: string, root: string): StoredData {
  // An engine may have put the data where its server's user can reach it, with a link in the data's place.
  const real = existsSync(folder) ? realpathSync(folder) : folder;
  const label = path.relative(root, folder);
  return {
    service,
    label: real === folder ? label : `${label} -> ${real}`,
    folder,
    size: () => {
      const bytes = existsSync(real) ? folderSize(real) : 0;
      return bytes > 0 ? bytes : undefined;
    },
    remove: () => removeFolder(folder),
  };
}
