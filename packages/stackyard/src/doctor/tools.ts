import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { runTool, toolBasics } from '../drivers/docker/command.ts';
import { findTools } from '../drivers/docker/tool.ts';
import { describeError } from '../errors.ts';
import { formatDuration } from '../units.ts';
import type { Check } from './index.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** pnpm as this checkout pins it; `./pnpmw` brings it where it is missing. */
export async function checkPnpm(root: string, environment: Environment): Promise<Check> {
  const subject = 'pnpm';
  const wanted = pinnedPnpm(root);
  const { code, stdout } = await runTool('pnpm', ['--version'], environment, {
    cwd: root,
    timeoutMs: 10_000,
  });
  const version = stdout.trim();
  if (code !== 0) return { subject, result: 'ok', message: 'not on the PATH; ./pnpmw brings its own' };
  if (wanted === undefined || version.split('.')[0] === wanted.split('.')[0])
    return { subject, result: 'ok', message: version };
  return {
    subject,
    result: 'warning',
    message: `${version} is on the PATH, and this checkout is made for ${wanted}`,
    fix: 'call ./pnpmw instead of pnpm',
  };
}

function pinnedPnpm(root: string): string | undefined {
  const file = path.join(root, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    const { packageManager } = JSON.parse(readFileSync(file, 'utf8')) as { packageManager?: string };
    return /^pnpm@([\d.]+)/.exec(packageManager ?? '')?.[1];
  } catch {
    return undefined; // whoever needs it says so
  }
}

/** An engine that stacks may run on. */
export interface DockerEngine {
  readonly subject: string;
  /** With `DOCKER_HOST` and the like. */
  readonly environment: Environment;
  readonly needed: boolean;
}

/** Engine and Compose. A stack that runs without them only says so. */
export async function checkDocker({ subject, environment, needed }: DockerEngine): Promise<Check> {
  try {
    const { engine, compose } = await findTools(toolBasics(environment));
    const tool = [compose.program, ...compose.prefix].join(' ');
    return { subject, result: 'ok', message: `engine ${engine}, ${tool} ${compose.version}` };
  } catch (error) {
    const { code, message, hint } = describeError(error);
    if (!needed && code === 'STACKYARD_DOCKER_MISSING')
      return { subject, result: 'ok', message: `${message}; only --driver docker needs it` };
    return {
      subject,
      result: needed ? 'failure' : 'warning',
      message,
      ...(hint === undefined ? {} : { fix: hint }),
    };
  }
}

/** A clock this far behind is wrong: files do not come from the future. */
const toleranceMs = 60_000;

/** Certificates, tokens and the order of changes go wrong with a clock that does. */
export function checkClock(root: string, now: number = Date.now()): Check {
  const subject = 'clock';
  const files = ['package.json', 'pnpm-lock.yaml', '.git/HEAD', '.git/index', 'infra/compose.yaml']
    .map((file) => path.join(root, file))
    .filter((file) => existsSync(file));
  const latest = Math.max(...files.map((file) => statSync(file).mtimeMs));
  const message = new Date(now).toISOString();
  if (latest - now <= toleranceMs) return { subject, result: 'ok', message };
  return {
    subject,
    result: 'warning',
    message: `${message}, and files of this checkout are ${formatDuration(latest - now)} younger than that`,
    fix: 'set the clock, or have it set (sudo timedatectl set-ntp true)',
  };
}
