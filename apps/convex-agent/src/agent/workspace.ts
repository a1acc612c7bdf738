import { constants } from 'node:fs';
import { lstat, mkdir, readdir, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { ToolError } from '../model/model.ts';

const maxFileBytes = 256 * 1024;
/** What the runner itself keeps in a workspace; tools do not reach it. */
export const hiddenFolder = '.sessions';

/**
 * The folder of one workflow. Paths are relative to it, with `/`; none leads out of it, neither by `..`, nor as an
 * absolute path, nor through a symbolic link.
 */
export class Workspace {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = resolve(directory);
  }

  /** Text of a file; a `ToolError` where there is none. */
  async read(path: string): Promise<string> {
    const file = await this.#inside(path);
    try {
      return await readFile(file, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW });
    } catch (error) {
      throw answer(path, error);
    }
  }

  /**
   * Writes a file whole: readers see the old text or the new one. Makes the folders it needs.
   *
   * @returns the file's one name, as `list` gives it, however the path was written
   */
  async write(path: string, text: string): Promise<string> {
    if (Buffer.byteLength(text) > maxFileBytes) {
      throw new ToolError(`${path} would be larger than ${maxFileBytes / 1024} KiB. Split it.`);
    }
    const file = await this.#inside(path);
    if (file === this.directory) throw new ToolError('Name a file, not the workspace itself.');
    try {
      await mkdir(dirname(file), { recursive: true });
      await this.#inside(path); // the folders may have been made through a link in the meantime
      await replace(file, text);
    } catch (error) {
      throw answer(path, error);
    }
    return this.#name(file);
  }

  /** Paths of all files, sorted. */
  async list(): Promise<string[]> {
    const entries = await readdir(this.directory, { recursive: true, withFileTypes: true }).catch((error) => {
      if (isCode(error, 'ENOENT')) return [];
      throw error;
    });
    return entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.part'))
      .map((entry) => this.#name(join(entry.parentPath, entry.name)))
      .filter((path) => !path.startsWith(`${hiddenFolder}/`))
      .sort();
  }

  #name(file: string): string {
    return relative(this.directory, file).split(sep).join('/');
  }

  async #inside(path: string): Promise<string> {
    if (path.includes('\0')) throw new ToolError('A path holds no NUL.');
    const [first = ''] = relative(this.directory, resolve(this.directory, path)).split(sep);
    if (first.toLowerCase() === hiddenFolder) throw new ToolError(`${hiddenFolder} is not for files.`);
    await mkdir(this.directory, { recursive: true });
    const file = resolve(this.directory, path);
    const outside = new ToolError(
      `${path} lies outside the workspace. Use a path relative to it, without "..".`,
    );
    if (file !== this.directory && !file.startsWith(this.directory + sep)) throw outside;
    const root = await realpath(this.directory);
    // The deepest part that exists must really lie inside; what does not exist yet cannot be a link.
    for (let existing = file; existing !== this.directory; existing = dirname(existing)) {
      const found = await lstat(existing).catch(() => undefined);
      if (!found) continue;
      const real = await realpath(existing).catch(() => undefined);
      if (found.isSymbolicLink() || !real?.startsWith(root + sep)) throw outside;
      break;
    }
    return file;
  }
}

async function replace(file: string, text: string): Promise<void> {
  const part = `${file}.part`;
  try {
    await writeFile(part, text, {
      flag: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    });
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw error;
  }
}

/** What a path of the model's can do wrong, in words for it; other errors, such as a full disk, end the step. */
function answer(path: string, error: unknown): unknown {
  const wrong: Record<string, string> = {
    ENOENT: `There is no file ${path}. Use list_files to see what there is.`,
    EISDIR: `${path} is a folder. Use list_files, or choose another name.`,
    ENOTDIR: `A part of ${path} is a file, not a folder. Use list_files, or choose another name.`,
    EEXIST: `A part of ${path} is a file, not a folder. Use list_files, or choose another name.`,
    ENAMETOOLONG: 'The path is too long. Choose a shorter name.',
  };
  const text = error instanceof Error && 'code' in error ? wrong[String(error.code)] : undefined;
  return text === undefined ? error : new ToolError(text);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
