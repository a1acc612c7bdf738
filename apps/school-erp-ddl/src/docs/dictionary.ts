import { xml } from './diagram.ts';
import type { DomainModel, TableModel } from './model.ts';

const anchor = (name: string) => name.replace('.', '-');

/** The tables of a domain as Markdown. */
export function markdown(domain: DomainModel): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const lines = [`# ${domain.name}`, '', domain.comment];
  // Without tables there is no picture of them.
  if (domain.tables.length > 0) {
    lines.push('', `![Diagram of ${domain.name}](../diagrams/${domain.name}.svg)`);
  }
  for (const table of domain.tables) {
    lines.push(
      '',
      `## ${table.name}`,
      '',
      `${table.comment}${table.partitioned ? ' Split by month.' : ''}`,
      '',
    );
    lines.push('| column | type | | meaning |', '| --- | --- | --- | --- |');
    for (const column of table.columns) {
      const marks = [
        column.inKey ? 'key' : '',
        column.nullable ? 'may be empty' : '',
        referenceOf(table, column.name),
      ];
      lines.push(
        `| ${column.name} | ${cell(column.type)} | ${marks.filter(Boolean).join(', ')} | ${cell(column.comment)} |`,
      );
    }
    const rules = table.rules.filter((rule) => rule.kind !== 'primary key');
    if (rules.length > 0) {
      lines.push('', ...rules.map((rule) => `- \`${rule.name}\`: ${rule.message}`));
    }
  }
  if (domain.functions.length > 0) {
    lines.push('', '## Functions', '');
    for (const f of domain.functions) {
      lines.push(`- \`${f.name}(${f.signature})\`: ${f.comment}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function referenceOf(table: TableModel, column: string): string {
  const reference =
    column === 'tenant_id' ? undefined : table.references.find((r) => r.columns.includes(column));
  return reference ? `to ${reference.to}` : '';
}

/** The whole dictionary as one page that needs nothing else. */
export function html(domains: readonly DomainModel[]): string {
  const tables = domains.reduce((sum, domain) => sum + domain.tables.length, 0);
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
    '<title>School ERP: data dictionary</title>',
    '<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:72rem;padding:1rem;color:light-dark(#16222a,#dbe4e9);background:light-dark(#fff,#10171c)}a{color:light-dark(#1d4ed8,#8fb4ff)}',
    'table{border-collapse:collapse;width:100%;margin:.5rem 0}td,th{border-bottom:1px solid light-dark(#dde3e7,#26323a);padding:.2rem .5rem;text-align:left;vertical-align:top}',
    'h2{margin-top:3rem;border-bottom:2px solid #0f766e}code{background:light-dark(#f5f7f8,#0b1115);padding:0 .2rem}nav a{margin-right:.8rem}</style></head><body>',
    `<h1>Data dictionary</h1><p>${domains.length} domains, ${tables} tables.</p>`,
    `<nav>${domains.map((domain) => `<a href="#${domain.name}">${domain.name}</a>`).join(' ')}</nav>`,
    ...domains.flatMap((domain) => [
      `<h2 id="${domain.name}">${domain.name}</h2><p>${xml(domain.comment)}</p>`,
      ...domain.tables.map(tableHtml),
      ...(domain.functions.length > 0
        ? [
            '<h3>Functions</h3><dl>',
            ...domain.functions.map(
              (f) => `<dt><code>${xml(`${f.name}(${f.signature})`)}</code></dt><dd>${xml(f.comment)}</dd>`,
            ),
            '</dl>',
          ]
        : []),
    ]),
    '</body></html>',
    '',
  ].join('\n');
}

function tableHtml(table: TableModel): string {
  const rows = table.columns.map((column) => {
    const reference =
      column.name === 'tenant_id' ? undefined : table.references.find((r) => r.columns.includes(column.name));
    const marks = [
      column.inKey ? 'key' : '',
      column.nullable ? 'may be empty' : '',
      reference ? `<a href="#${anchor(reference.to)}">${reference.to}</a>` : '',
    ];
    return `<tr><td><code>${column.name}</code></td><td>${xml(column.type)}</td><td>${marks.filter(Boolean).join(', ')}</td><td>${xml(column.comment)}</td></tr>`;
  });
  const rules = table.rules.filter((rule) => rule.kind !== 'primary key');
  return [
    `<h3 id="${anchor(table.name)}">${table.name}</h3><p>${xml(table.comment)}${table.partitioned ? ' Split by month.' : ''}</p>`,
    `<table><tr><th>column</th><th>type</th><th></th><th>meaning</th></tr>${rows.join('')}</table>`,
    rules.length > 0
      ? `<ul>${rules.map((rule) => `<li><code>${rule.name}</code>: ${xml(rule.message)}</li>`).join('')}</ul>`
      : '',
  ].join('\n');
}
