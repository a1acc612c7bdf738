import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ComposeModel, parseEnvFile } from '@stackyard/compose';
import { StackyardError } from './errors.ts';
import type { Recipe } from './generated-recipes.ts';
import type { Variant } from './workspace.ts';

export type Values = Readonly<Record<string, string>>;

/** Where the generated values of a variant are kept, readable by their owner only. */
export function generatedFile(variant: Variant): string {
  return path.join(variant.root, '.stackyard', 'secrets', `${variant.name}.env`);
}

export function readGenerated(variant: Variant): Values {
  const file = generatedFile(variant);
  return existsSync(file) ? parseEnvFile(readFileSync(file, 'utf8'), { file }) : {};
}

/**
 * Makes the values that a model asks for and nobody has set.
 *
 * @param given what the person set: never generated, never replaced
 * @param generated what earlier starts generated
 * @returns undefined when nothing is left to make
 */
export async function generateValues(
  model: ComposeModel,
  given: Values,
  generated: Values,
): Promise<Values | undefined> {
  if (model['x-generate'] === undefined) return undefined;
  const { parseRecipes } = await import('./generated-recipes.ts'); // most variants have none
  const { recipes, problems } = parseRecipes(model['x-generate']);
  if (!recipes) {
    throw new StackyardError('STACKYARD_GENERATE', 'x-generate in the Compose files is malformed', {
      details: problems,
      hint: 'write it as NAME: { hex: 32 }; docs/compose-model.md has every form',
    });
  }
  const made: Record<string, string> = {};
  for (const [name, recipe] of Object.entries(recipes)) {
    if (given[name]) continue;
    const value = await make(recipe, generated[name]);
    if (value !== undefined) made[name] = value;
  }
  return Object.keys(made).length > 0 ? { ...generated, ...made } : undefined;
}

/**
 * Keeps the values, and returns those that count: where there were none before, another start may have been first.
 */
export function writeGenerated(variant: Variant, values: Values, before: Values): Values {
  const file = generatedFile(variant);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  const text = ['# Generated for this checkout. A value in .env wins over the one here.', ...lines, ''].join(
    '\n',
  );
  const part = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(part, text, { mode: 0o600 });
  try {
    if (Object.keys(before).length > 0) renameSync(part, file);
    else linkSync(part, file); // refuses when the file is there by now
    return values;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return readGenerated(variant);
  } finally {
    rmSync(part, { force: true });
  }
}

/** A value for the recipe, or undefined when the one there is good or its inputs are still to be made. */
async function make(recipe: Recipe, current: string | undefined): Promise<string | undefined> {
  if ('hex' in recipe) return current ? undefined : randomBytes(recipe.hex).toString('hex');
  // only: convex
  const { name: instanceName, secret: instanceSecret } = recipe['convex-admin-key'];
  const { inspectAdminKey, isInstanceSecret, issueAdminKey } = await import('@stackyard/convex-selfhost');
  if (!isInstanceSecret(instanceSecret)) return undefined;
  const instance = { instanceName, instanceSecret };
  if (current && inspectAdminKey(current, instance).verdict === 'valid') return undefined;
  return issueAdminKey(instance);
  // /only
}
