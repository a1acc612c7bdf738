import type { Names } from './names.ts';
import { TemplateError } from './template-error.ts';
import { type Tree, textOf } from './tree.ts';

/**
 * `.template.json`: which template this tree is, or was made from. The one file of a project that keeps the
 * template's name: `upgrade` needs it.
 */
export interface TemplateRecord {
  readonly template: Names & {
    /** The npm package that carries the template. */
    readonly package: string;
    /** The release that the project was made from, or upgraded to. */
    readonly version?: string;
  };
  /** Only in a project. */
  readonly project?: Names & { readonly keep: readonly string[] };
}

export const recordFile = '.template.json';

export function readRecord(tree: Tree): TemplateRecord {
  const text = textOf(tree.get(recordFile));
  try {
    const record = JSON.parse(text ?? '') as TemplateRecord;
    if (record.template.name && record.template.package) return record;
  } catch (cause) {
    if (text !== undefined) throw unreadable(cause);
  }
  throw unreadable();
}

export function formatRecord(record: TemplateRecord): string {
  return `${JSON.stringify(record, undefined, 2)}\n`;
}

function unreadable(cause?: unknown): TemplateError {
  return new TemplateError('TEMPLATE_RECORD', `${recordFile} is missing, or is no record of a template`, {
    hint: `get it back from version control: git log -- ${recordFile}`,
    cause,
  });
}
