import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { ComposeError, type ComposeModel, type LoadOptions, loadCompose } from '../src/index.ts';

/** Resolves Compose text that stands in /srv/shop/compose.yaml. */
export function load(content: string | string[], options: Partial<LoadOptions> = {}): ComposeModel {
  const files = [content]
    .flat()
    .map((text, index) => ({ path: `/srv/shop/compose${index || ''}.yaml`, content: text }));
  return loadCompose({ files, env: {}, envFiles: [], ...options });
}

export const service = (fields: string, options?: Partial<LoadOptions>) =>
  load(`services:\n  app:\n    image: app\n${fields.replace(/^/gm, '    ')}\nvolumes: { data: }`, options)
    .services.app as Record<string, unknown>;

export function problemsOf(work: () => unknown) {
  try {
    work();
  } catch (error) {
    if (error instanceof ComposeError) return error.problems;
    throw error;
  }
  return [];
}

/** A folder with these files, until the test ends. */
export function folder(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), 'stackyard compose '));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), content);
  }
  return path;
}
