import path from 'node:path';
import { wholeFileWords } from './regions.ts';
import { TemplateError } from './template-error.ts';
import { type Tree, textOf } from './tree.ts';
import {
  baseImages,
  baseServices,
  dependenciesOf,
  type Manifest,
  readManifests,
  readVariants,
} from './workspace.ts';

/** What stays of a template and what goes, by name. Derived from the tree; nothing is listed by hand. */
export interface Selection {
  readonly kept: readonly string[];
  readonly pruned: readonly string[];
  /** Engines that no kept variant has, nor the base. */
  readonly prunedEngines: readonly string[];
  /** Images that only pruned variants name. */
  readonly prunedImages: readonly string[];
}

/** Refuses names that are no variant, and none at all. */
export function select(tree: Tree, keep: readonly string[]): Selection {
  const variants = readVariants(tree);
  const names = variants.map(({ name }) => name);
  const unknown = keep.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new TemplateError('TEMPLATE_VARIANT', `there is no variant ${unknown.join(', ')}`, {
      hint: `the variants are ${names.join(', ')}: --keep ${names[0] ?? 'name'}`,
      exitCode: 2,
    });
  }
  if (keep.length === 0) {
    throw new TemplateError('TEMPLATE_KEEP', 'a project keeps at least one variant', {
      hint: `name some of ${names.join(', ')}: --keep ${names.slice(0, 2).join(',')}`,
      exitCode: 2,
    });
  }
  const stays = variants.filter(({ name }) => keep.includes(name));
  const goes = variants.filter(({ name }) => !keep.includes(name));
  const engines = new Set([...baseServices(tree), ...stays.flatMap((variant) => [...variant.engines])]);
  const images = new Set([...baseImages(tree), ...stays.flatMap((variant) => [...variant.images])]);
  const only = (all: string[], needed: ReadonlySet<string>) =>
    [...new Set(all)].filter((name) => !needed.has(name)).sort();
  return {
    kept: stays.map(({ name }) => name),
    pruned: goes.map(({ name }) => name),
    prunedEngines: only(
      goes.flatMap((variant) => [...variant.engines]),
      engines,
    ),
    prunedImages: only(
      goes.flatMap((variant) => [...variant.images]),
      images,
    ),
  };
}

/** Whether a region of that word stays: the name of a variant, an engine or an image, or `template`. */
export function keepsOf({ pruned, prunedEngines, prunedImages }: Selection): (word: string) => boolean {
  const gone = new Set(['template', ...pruned, ...prunedEngines, ...prunedImages]);
  return (word) => !gone.has(word);
}

/** Why a path goes by its name alone, or undefined. */
export function removalReason(tree: Tree, selection: Selection): (file: string) => string | undefined {
  const keeps = keepsOf(selection);
  const templateFolders = readManifests(tree).flatMap(({ folder, json }) =>
    json.templateOnly ? folder : [],
  );
  return (file) => {
    if (/^\.changeset\/.*\.md$|(^|\/)CHANGELOG\.md$/.test(file)) return 'tells the changes of the template';
    const segments = file.split('/');
    const variant = selection.pruned.find((name) => segments[0] === 'apps' && segments[1] === name);
    if (variant) return `belongs to ${variant}`;
    const engine =
      segments[0] !== 'apps' &&
      selection.prunedEngines.find((name) => segments.some((part) => isNamedAfter(part, name)));
    if (engine) return `only a pruned variant runs on ${engine}`;
    const image = selection.prunedImages.find((name) => file.startsWith(`infra/images/${name}/`));
    if (image) return `only a pruned variant has the image ${image}`;
    if (templateFolders.some((folder) => file.startsWith(`${folder}/`))) return 'only the template needs it';
    const words = wholeFileWords(textOf(tree.get(file)) ?? '');
    if (words && !words.some(keeps)) return `only for ${words.join(', ')}`;
    return undefined;
  };
}

/** `mail`, `mail.ts`, `mail-local`: a file or folder that is there for the engine of that name. */
function isNamedAfter(part: string, name: string): boolean {
  return part === name || part.startsWith(`${name}.`) || part.startsWith(`${name}-`);
}

/**
 * Folders of workspaces that nothing needs any more: neither the root, nor a variant, nor the scripts, nor one
 * of `others`, nor what those need in turn.
 */
export function unneededWorkspaces(
  manifests: readonly Manifest[],
  others: ReadonlySet<string> = new Set(),
): string[] {
  const byName = new Map(manifests.map((manifest) => [manifest.name, manifest]));
  const needed = new Set<Manifest>();
  const visit = (manifest: Manifest | undefined): void => {
    if (!manifest || needed.has(manifest)) return;
    needed.add(manifest);
    for (const dependency of dependenciesOf(manifest.json)) visit(byName.get(dependency));
  };
  for (const manifest of manifests) {
    if (!manifest.folder.startsWith('packages/') || others.has(manifest.folder)) visit(manifest);
  }
  return manifests
    .filter((manifest) => !needed.has(manifest))
    .map(({ folder }) => folder)
    .filter((folder) => path.posix.dirname(folder) === 'packages');
}
