import type { EnvVariable } from './variable.ts';

export interface ExampleVariable extends EnvVariable {
  /** Leaves the line commented out although nothing has a default, because something else sets the variable. */
  readonly provided?: boolean | undefined;
  /** Said after the description. */
  readonly note?: string | undefined;
}

export interface ExampleGroup {
  readonly title: string;
  /** Said under the title. */
  readonly note?: string | undefined;
  readonly variables: readonly ExampleVariable[];
}

/**
 * The text of an `.env.example`. A variable with a default stands commented out, with that default; one that must be
 * set stands open and empty; a secret never has a value.
 */
export function toExample(groups: readonly ExampleGroup[]): string {
  const sections = groups.map(({ title, note, variables }) => {
    const head = [title, '-'.repeat(title.length), ...(note ? note.split('\n') : [])].map(comment);
    return [head.join('\n'), ...variables.map(entry)].join('\n\n');
  });
  return `${sections.join('\n\n\n')}\n`;
}

function entry(variable: ExampleVariable): string {
  const { name, description, example, secret, required, provided } = variable;
  const value = secret ? '' : (variable.default ?? '');
  const lines = [description, variable.note].flatMap((text) => (text ? text.split('\n').map(comment) : []));
  if (example !== undefined && !secret) lines.push(comment(`For example: ${quoteValue(example)}`));
  if (secret && variable.hint) lines.push(comment(variable.hint));
  const open = required && variable.default === undefined && !provided;
  if (open) lines.push(comment('Required'));
  lines.push(`${open ? '' : '#'}${name}=${quoteValue(value)}`);
  return lines.join('\n');
}

function comment(line: string): string {
  return line === '' ? '#' : `# ${line}`;
}

/** A value as an env file in Compose's dialect must write it, to be read back unchanged. */
export function quoteValue(value: string): string {
  if (!/[\s#$`'"\\]/.test(value)) return value;
  return value.includes("'")
    ? `"${value.replace(/[\\"$]/g, (special) => (special === '$' ? '$$' : `\\${special}`))}"`
    : `'${value}'`;
}
