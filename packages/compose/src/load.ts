import { assemble, type Parsed, parseSources } from './assemble.ts';
import { canonicalDocument, normalize } from './canonical-document.ts';
import { checkConsistency } from './consistency.ts';
import { composeError, forEvery, type OnWarning, Problems } from './errors.ts';
import { checkDependencies } from './graph.ts';
import { type Environment, interpolate } from './interpolate.ts';
import { toModel } from './locate.ts';
import type { ComposeModel } from './model.ts';
import { entry, text } from './node.ts';
import { withActiveServices } from './profiles.ts';
import { checkProjectName, folderProjectName } from './project-name.ts';
import { checkReferences, checkResources, withoutUnusedResources } from './resources.ts';
import { checkSchema } from './schema.ts';
import { type ComposeFile, projectDirectoryOf, projectEnvironment, readSource } from './source.ts';
import { stripTags } from './tags.ts';
import { enforceUnicity } from './unique.ts';

export interface LoadOptions {
  /** In the order of their precedence: a later file overrides an earlier one. */
  readonly files: readonly ComposeFile[];
  /** The process environment. Nothing else of the process is read. */
  readonly env: Environment;
  /** Where relative paths start and `.env` is looked for; the folder of the first file if left out. */
  readonly projectDirectory?: string;
  /** Active profiles, `*` for all; `COMPOSE_PROFILES` if left out. */
  readonly profiles?: readonly string[];
  /** Used in place of `.env`; a later file wins. Relative to the project directory. */
  readonly envFiles?: readonly string[];
  readonly projectName?: string;
  readonly onWarning?: OnWarning;
}

/**
 * Resolves a set of Compose files to what `docker compose config` prints, extension fields included. The result is
 * deeply frozen; {@link locate} tells the file and line of each of its values.
 *
 * @throws ComposeError with all problems of the first phase that found any
 */
export function loadCompose(options: LoadOptions): ComposeModel {
  const { files, onWarning } = options;
  const directory = projectDirectoryOf(files, options.projectDirectory);
  const environment = projectEnvironment(options.env, options.envFiles, directory, onWarning);
  if (files.length === 0) {
    throw composeError('COMPOSE_FILE', 'no Compose file is given', undefined, 'name at least one');
  }
  const parsed = parseSources(
    forEvery(files, (file) => readSource(file, options.projectDirectory)),
    directory,
  );
  const name = projectName(
    options.projectName ?? environment.COMPOSE_PROJECT_NAME,
    parsed,
    environment,
    directory,
  );
  const env = { ...environment, COMPOSE_PROJECT_NAME: name };
  const document = stripTags(
    assemble(parsed, { env, directory, ...(onWarning === undefined ? {} : { onWarning }) }),
  );
  const unique = enforceUnicity(document);
  checkSchema(unique);

  const problems = new Problems();
  const context = { env, problems, ...(onWarning === undefined ? {} : { onWarning }) };
  const canonical = canonicalDocument(unique, context);
  problems.throwIfAny();
  const { document: active, disabled } = withActiveServices(
    enforceUnicity(canonical),
    options.profiles ?? listed(env),
  );
  const normalized = normalize(active, name, context);
  problems.throwIfAny();
  checkConsistency(normalized, problems);
  checkReferences(normalized, problems);
  checkResources(normalized, problems);
  checkDependencies(normalized, disabled, context);
  problems.throwIfAny();
  return toModel(withoutUnusedResources(normalized)) as ComposeModel;
}

/** The given name, or the `name` of the last document that has one, or one made of the folder. */
function projectName(
  given: string | undefined,
  parsed: readonly Parsed[],
  env: Environment,
  directory: string,
): string {
  if (given !== undefined && given !== '') return checkProjectName(given, undefined);
  const written = parsed.map(({ document }) => entry(document, 'name')).findLast((node) => text(node));
  const name = written === undefined ? '' : interpolate(text(written) ?? '', env, { location: written.at });
  return name === '' ? folderProjectName(directory) : checkProjectName(name, written?.at);
}

function listed({ COMPOSE_PROFILES }: Environment): string[] {
  return (COMPOSE_PROFILES ?? '').split(',').flatMap((profile) => profile.trim() || []);
}
