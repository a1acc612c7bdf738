import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findVariables } from '@stackyard/compose';
import { StackyardError } from './errors.ts';
import { isPortFree } from './ports.ts';
import { acquireLock, readJson, writeJson } from './state.ts';
import { describeVariant, findWorkspace, type Variant } from './workspace.ts';

/** Blocks lie below the ports that systems hand out by themselves (32768 and up on Linux). */
const firstPort = 20_000;
const blockSize = 50;
const blocks = 200;

/** How long another process may take to choose ports; a moment is usual. */
const patienceMs = 10_000;

/** The ports of a checkout, kept in its state directory. */
interface PortBlock {
  readonly first: number;
  /** By variant, then by variable of the Compose files. */
  readonly variants: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const portsFile = (root: string): string => path.join(root, '.stackyard', 'ports.json');

/**
 * Ports that no other checkout uses, by the variables that the Compose files of a variant have for them. They are
 * chosen once: in a block that follows from the checkout's path, the next ones where another program has that.
 *
 * @throws StackyardError when no block is free, or another process chooses and comes to no end
 */
export async function isolatedPorts(variant: Variant): Promise<Readonly<Record<string, number>>> {
  const file = portsFile(variant.root);
  const wanted = portVariables(variant);
  mkdirSync(path.dirname(file), { recursive: true });
  const until = performance.now() + patienceMs;
  for (;;) {
    const known = readJson<PortBlock>(file);
    if (known && complete(known, variant.name, wanted)) return pick(known, variant.name, wanted);
    const lock = acquireLock(`${file}.lock`);
    if ('holder' in lock) {
      if (performance.now() > until) throw beingChosen(lock.holder.pid);
      await sleep(20);
      continue;
    }
    try {
      const block = await extend(readJson<PortBlock>(file), variant);
      writeJson(file, block);
      return pick(block, variant.name, wanted);
    } finally {
      lock.release();
    }
  }
}

/** The variables that choose host ports, in the order of the files. */
export function portVariables(variant: Variant): string[] {
  const variables = findVariables(variant.files, { projectDirectory: variant.root });
  return variables
    .filter(({ references }) => references.some(({ path: place }) => /^services\.[^.]+\.ports/.test(place)))
    .map(({ name }) => name);
}

const complete = (block: PortBlock, variant: string, wanted: readonly string[]): boolean =>
  wanted.every((name) => block.variants[variant]?.[name] !== undefined);

function pick(block: PortBlock, variant: string, wanted: readonly string[]): Record<string, number> {
  return Object.fromEntries(wanted.map((name) => [name, block.variants[variant]![name]!]));
}

/** Adds the ports that are missing: of every variant when the block is new, so that it has room for all of them. */
async function extend(known: PortBlock | undefined, variant: Variant): Promise<PortBlock> {
  const { root } = variant;
  if (known) {
    const added = await fill(known, [variant]);
    if (added) return added;
  }
  const variants = findWorkspace(root).variants.map((name) => describeVariant(root, name));
  const all = variants.some(({ name }) => name === variant.name) ? variants : [...variants, variant];
  const start = createHash('sha256').update(root).digest().readUInt32BE() % blocks;
  for (let step = 0; step < blocks; step += 1) {
    const first = firstPort + ((start + step) % blocks) * blockSize;
    if (first === known?.first) continue;
    const block = await fill({ first, variants: {} }, all);
    if (block) return block;
  }
  throw new StackyardError('STACKYARD_PORTS_EXHAUSTED', 'no block of free ports is left for this checkout', {
    hint: 'stackyard ports lists what runs; stop some of it, or set the ports in .env',
  });
}

/** The block with a port for each variable; undefined when they do not fit, or one of the new ones is taken. */
async function fill(block: PortBlock, variants: readonly Variant[]): Promise<PortBlock | undefined> {
  const result: Record<string, Record<string, number>> = structuredClone(block.variants) as never;
  const used = new Set(Object.values(result).flatMap((ports) => Object.values(ports)));
  let next = block.first;
  for (const variant of variants) {
    result[variant.name] ??= {};
    const ports = result[variant.name]!;
    for (const name of portVariables(variant)) {
      if (ports[name] !== undefined) continue;
      while (used.has(next)) next += 1;
      if (next >= block.first + blockSize || !(await isPortFree(next))) return undefined;
      used.add(next);
      ports[name] = next;
    }
  }
  return { first: block.first, variants: result };
}

function beingChosen(pid: number): StackyardError {
  return new StackyardError('STACKYARD_PORTS_BUSY', `process ${pid} is choosing the ports of this checkout`, {
    hint: `wait for it, or end it: kill ${pid}`,
  });
}
