import type { EnvVariable } from './variable.ts';

/** A Markdown table of the variables, with columns as wide as their content. */
export function toMarkdown(variables: readonly EnvVariable[]): string {
  const rows = [
    ['Variable', 'Default', 'Description'],
    ...variables.map((variable) => [
      `\`${variable.name}\``,
      defaultCell(variable),
      descriptionCell(variable),
    ]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  const line = (cells: readonly string[], fill = ' ') =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number, fill)).join(' | ')} |`;
  const [head, ...body] = rows as [string[], ...string[][]];
  return `${[line(head), line(['', '', ''], '-'), ...body.map((row) => line(row))].join('\n')}\n`;
}

function defaultCell({ required, default: value }: EnvVariable): string {
  if (required) return 'required';
  return value === undefined || value === '' ? '' : `\`${escapeCell(value)}\``;
}

function descriptionCell({ description = '', example, secret }: EnvVariable): string {
  const parts = [description.replace(/\s+/g, ' ')];
  if (example !== undefined) parts.push(`For example \`${example}\`.`);
  if (secret) parts.push('Secret.');
  return escapeCell(
    parts.filter(Boolean).join(/[.!?]$/.test(description) || description === '' ? ' ' : '. '),
  );
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}
