import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { createRequire, SourceMap } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { type OriginOf, sourcePath } from './user-error.ts';

/** A bundled module as the CLI pushes it. */
export interface PushedModule {
  readonly path: string;
  readonly source: string;
  readonly sourceMap?: string;
  readonly environment: 'isolate' | 'node';
}

/** The `require` of the Node module that is being loaded: its bundle calls it for packages kept out of the bundle. */
const nodeRequire = new AsyncLocalStorage<NodeJS.Require>();

/** Gives Node modules the global `require` they have on Convex. Other modules have none. */
export function installRequire(): void {
  Object.defineProperty(globalThis, 'require', { configurable: true, get: () => nodeRequire.getStore() });
}

/** The hash the CLI compares: of the source and its map. */
export function moduleHash({ source, sourceMap }: PushedModule): string {
  return createHash('sha256')
    .update(source)
    .update(sourceMap ?? '')
    .digest('hex');
}

/** Appended to a module, so that Node finds its source map; the source itself stays as it was pushed. */
function mapReference(module: string): string {
  return `\n//# sourceMappingURL=${path.basename(module)}.map\n`;
}

/** Pushed code on disk, one folder for each set of modules, named by content and never changed. */
export class ModuleLoader {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
    mkdirSync(root, { recursive: true, mode: 0o700 });
  }

  /**
   * Writes a set of modules, unless the same set is there, and returns the name of its folder. `packages` is a
   * `node_modules` folder that the modules may import from.
   */
  async write(modules: readonly PushedModule[], packages?: string): Promise<string> {
    const hash = createHash('sha256');
    for (const module of modules.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
      hash.update(`${module.path}\n${moduleHash(module)}\n`);
    }
    hash.update(packages ?? '');
    const name = hash.digest('hex').slice(0, 32);
    const target = path.join(this.#root, name);
    if (existsSync(target)) return name;
    const part = await mkdtemp(path.join(this.#root, 'part-'));
    writeFileSync(path.join(part, 'package.json'), '{"type":"module"}\n');
    for (const module of modules) {
      const file = this.#inside(part, module.path);
      mkdirSync(path.dirname(file), { recursive: true });
      const mapped = module.sourceMap !== undefined && module.sourceMap !== '';
      writeFileSync(file, module.source + (mapped ? mapReference(module.path) : ''));
      if (mapped) writeFileSync(`${file}.map`, module.sourceMap!);
    }
    if (packages !== undefined) symlinkSync(packages, path.join(part, 'node_modules'));
    try {
      renameSync(part, target);
    } catch (error) {
      rmSync(part, { recursive: true, force: true });
      if (!existsSync(target)) throw error;
    }
    return name;
  }

  /** Removes the folders of earlier pushes. Call it when no push is under way. */
  prune(kept: readonly string[]): void {
    for (const name of readdirSync(this.#root)) {
      if (!kept.includes(name)) rmSync(path.join(this.#root, name), { recursive: true, force: true });
    }
  }

  /** The path of a module, refusing one that leaves its folder. */
  #inside(folder: string, module: string): string {
    const file = path.resolve(folder, module);
    if (!file.startsWith(folder + path.sep)) throw new Error(`Module path ${module} leaves its folder`);
    return file;
  }

  file(directory: string, module: string): string {
    return this.#inside(path.join(this.#root, directory), module);
  }

  /** A module that an earlier push brought, for a push that names it by hash alone. */
  async read(directory: string, module: string): Promise<{ source: string; sourceMap: string | undefined }> {
    const file = this.file(directory, module);
    const text = await readFile(file, 'utf8');
    const reference = mapReference(module);
    const source = text.endsWith(reference) ? text.slice(0, -reference.length) : text;
    const sourceMap = existsSync(`${file}.map`) ? await readFile(`${file}.map`, 'utf8') : undefined;
    return { source, sourceMap };
  }

  readonly #maps = new Map<string, SourceMap | undefined>();

  /** Finds source places for the modules of one folder. */
  originOf(directory: string): OriginOf {
    return (module, line, column) => {
      const file = `${this.file(directory, module)}.map`;
      if (!this.#maps.has(file)) {
        this.#maps.set(
          file,
          existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined,
        );
      }
      const origin = this.#maps.get(file)?.findOrigin(line, column);
      if (origin === undefined || !('fileName' in origin) || origin.fileName === undefined) return undefined;
      const { fileName, lineNumber, columnNumber } = origin;
      return { file: sourcePath(module, fileName), line: lineNumber, column: columnNumber };
    };
  }

  async load(
    directory: string,
    module: string,
    environment: PushedModule['environment'] = 'isolate',
  ): Promise<Record<string, unknown>> {
    const { href } = pathToFileURL(this.file(directory, module));
    const load = async () => (await import(href)) as Record<string, unknown>;
    return environment === 'node' ? await nodeRequire.run(createRequire(href), load) : await load();
  }
}
