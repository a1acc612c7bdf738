import path from 'node:path';
import { parse } from 'yaml';
import { readRecord } from './record.ts';
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
  const own = ownWorkspaces(tree);
  const folders = new Set(own.map(({ folder }) => folder));
  const names = new Set(own.map(({ name }) => name));
  const templateFolders = own.flatMap(({ folder, json }) => (json.templateOnly ? folder : []));
  return (file) => {
    const text = textOf(tree.get(file)) ?? '';
    if (tellsChanges(file, text, names)) return 'tells the changes of the template';
    const segments = file.split('/');
    const variant = selection.pruned.find((name) => segments[0] === 'apps' && segments[1] === name);
    if (variant) return `belongs to ${variant}`;
    const within = folders.has(segments.slice(0, 2).join('/')) && segments[0] === 'packages';
    const engine =
      within &&
      selection.prunedEngines.find((name) => segments.slice(2).some((part) => isNamedAfter(part, name)));
    if (engine) return `only a pruned variant runs on ${engine}`;
    const image = selection.prunedImages.find((name) => file.startsWith(`infra/images/${name}/`));
    if (image) return `only a pruned variant has the image ${image}`;
    if (templateFolders.some((folder) => file.startsWith(`${folder}/`))) return 'only the template needs it';
    const words = wholeFileWords(text);
    if (words && !words.some(keeps)) return `only for ${words.join(', ')}`;
    return undefined;
  };
}

/**
 * The workspaces that came with the template: its packages are called after it, and its introduction names its
 * variants. What has such a name and no use is somebody's own.
 */
function ownWorkspaces(tree: Tree): Manifest[] {
  const { name: command, scope, package: carrier } = readRecord(tree).template;
  const introduction = textOf(tree.get('README.md')) ?? '';
  const manifests = readManifests(tree);
  const idle = new Set(unneededWorkspaces(manifests));
  return manifests.filter(({ folder, name, json }) => {
    if (folder.startsWith('apps/')) return introduction.includes(`\`${name}\``);
    const called = name === command || name === carrier || name.startsWith(`@${scope}/`);
    return called && (!idle.has(folder) || json.templateOnly);
  });
}

/** A changeset about the template's own packages, or a changelog made of those. */
function tellsChanges(file: string, text: string, names: ReadonlySet<string>): boolean {
  if (/^(?:apps|packages)\/[^/]+\/CHANGELOG\.md$/.test(file)) {
    return names.has(/^# (\S+)\r?\n/.exec(text)?.[1] ?? '');
  }
  if (!/^\.changeset\/[^/]+\.md$/.test(file)) return false;
  const about = Object.keys(frontMatter(text));
  return about.length > 0 && about.every((name) => names.has(name));
}

function frontMatter(text: string): object {
  try {
    return (parse(/^---\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1] ?? '') as object | null) ?? {};
  } catch {
    return {};
  }
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
