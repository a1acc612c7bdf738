import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConvexLocalOptions, type RunningConvexLocal, startConvexLocal } from '../src/index.ts';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const CLI = path.join(PACKAGE, 'node_modules', 'convex', 'bin', 'main.js');

/** The one key the tests' deployments accept; its hexadecimal part alone will do, as on Convex. */
export const ADMIN_KEY = 'test|0123456789abcdef';

/** The instance whose uploads they take. */
export const INSTANCE = { instanceName: 'test', instanceSecret: '0123456789abcdef'.repeat(4) };

/** A folder that goes with the test; its name has a space, as a person's may. */
export function temporaryFolder(): { path: string } & Disposable {
  const folder = mkdtempSync(path.join(tmpdir(), 'convex local '));
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

export async function startDeployment(
  dataDirectory: string,
  options: Partial<ConvexLocalOptions> = {},
): Promise<RunningConvexLocal> {
  return await startConvexLocal({
    dataDirectory,
    port: 0,
    sitePort: 0,
    ...INSTANCE,
    checkKey: (key) => ({
      valid: key === ADMIN_KEY || key === ADMIN_KEY.split('|')[1],
      reason: 'not the key of the tests',
    }),
    ...options,
  });
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Convex project on disk, driven through the unmodified CLI. */
export class Project {
  readonly root: string;
  readonly cli = CLI;

  constructor(root: string, files: Readonly<Record<string, string>>) {
    this.root = root;
    mkdirSync(path.join(root, 'convex'), { recursive: true });
    writeFileSync(
      path.join(root, 'package.json'),
      JSON.stringify({ name: 'app', dependencies: { convex: '*' } }),
    );
    symlinkSync(path.join(PACKAGE, 'node_modules'), path.join(root, 'node_modules'));
    this.write(files);
  }

  /** Writes files below `convex/`. */
  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(this.root, 'convex', name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }

  environment(url: string): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      HOME: this.root,
      // The CLI is large, and started often.
      NODE_COMPILE_CACHE: path.join(PACKAGE, 'node_modules', '.cache', 'compiled'),
      CI: '1',
      NO_COLOR: '1',
      CONVEX_SELF_HOSTED_URL: url,
      CONVEX_SELF_HOSTED_ADMIN_KEY: ADMIN_KEY,
    };
  }

  async convex(url: string, ...args: string[]): Promise<CliResult> {
    return await new Promise((resolve) => {
      execFile(
        process.execPath,
        [CLI, ...args],
        {
          cwd: this.root,
          timeout: 60_000,
          env: this.environment(url),
        },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
          resolve({ code, stdout, stderr });
        },
      );
    });
  }

  /** Pushes the code; throws with the CLI's words where it was refused. */
  async push(url: string): Promise<void> {
    const result = await this.convex(url, 'dev', '--once', '--typecheck', 'disable', '--codegen', 'disable');
    if (result.code !== 0) throw new Error(`The push failed:\n${result.stdout}\n${result.stderr}`);
  }
}
