import elk, { type ElkExtendedEdge, type ElkNode } from 'elkjs/lib/elk.bundled.js';
import type { DomainModel, TableModel } from './model.ts';

const ROW = 18;
const HEADER = 26;
const PADDING = 8;
const LETTER = 6.6;

/** Columns that every table has and that only fill a picture. */
const QUIET = new Set([
  'tenant_id',
  'created_at',
  'updated_at',
  'source_modified_at',
  'metadata',
  'record_status',
  'sourced_id',
]);

/** One picture for pages in light and in dark. */
const STYLE = [
  '.box{fill:light-dark(#fff,#172127);stroke:light-dark(#9aa8b2,#45545e)}',
  '.other .box{fill:light-dark(#f1f4f6,#10171c)}',
  '.head{fill:light-dark(#0f766e,#135e58)}.other .head{fill:light-dark(#dde3e7,#26323a)}',
  '.title{fill:#fff;font-weight:600}.other .title{fill:light-dark(#33424c,#b7c4cc)}',
  '.name{fill:light-dark(#16222a,#dbe4e9)}.key{font-weight:600}.ref{fill:light-dark(#1d4ed8,#8fb4ff)}',
  '.type{fill:light-dark(#5b6b75,#8b9ca7);text-anchor:end}',
  '.reference{fill:none;stroke:light-dark(#9aa8b2,#5b6b75)}.tip{fill:context-stroke}',
].join('');

interface Box {
  readonly id: string;
  readonly title: string;
  readonly lines: readonly { readonly name: string; readonly type: string; readonly mark: string }[];
  readonly own: boolean;
}

/** The entity-relationship diagram of a domain as SVG: its tables, and those of other domains that they refer to. */
export async function diagram(domain: DomainModel): Promise<string> {
  const own = new Set(domain.tables.map((table) => table.name));
  const others = new Set<string>();
  const edges: { readonly from: string; readonly to: string; readonly label: string }[] = [];
  for (const table of domain.tables) {
    for (const reference of table.references) {
      if (reference.to === 'tenancy.tenant' && domain.name !== 'tenancy') continue;
      if (!own.has(reference.to)) others.add(reference.to);
      const label = reference.columns.filter((column) => column !== 'tenant_id').join(', ');
      edges.push({ from: table.name, to: reference.to, label });
    }
  }
  const boxes: Box[] = [
    ...domain.tables.map(boxOf),
    ...[...others].sort().map((name) => ({ id: name, title: name, lines: [], own: false })),
  ];
  const graph: ElkNode = {
    id: 'root',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.edgeRouting': 'ORTHOGONAL',
      'elk.layered.spacing.nodeNodeBetweenLayers': '60',
      'elk.spacing.nodeNode': '24',
      // A table that all others refer to would give one column, taller than any screen.
      'elk.layered.layering.strategy': 'COFFMAN_GRAHAM',
      'elk.layered.layering.coffmanGraham.layerBound': String(Math.ceil(Math.sqrt(boxes.length))),
      'elk.randomSeed': '1',
    },
    children: boxes.map((box) => ({ id: box.id, ...sizeOf(box) })),
    edges: edges.map((edge, i) => ({ id: `e${i}`, sources: [edge.from], targets: [edge.to] })),
  };
  const laidOut = await new elk.default().layout(graph);
  const width = Math.ceil((laidOut.width ?? 0) + 2);
  const height = Math.ceil((laidOut.height ?? 0) + 2);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">`,
    `<title>${xml(domain.name)}</title><desc>${xml(domain.comment)}</desc>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="one" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>',
    ...(laidOut.edges ?? []).map((edge, i) => edgeSvg(edge, edges[i]!)),
    ...(laidOut.children ?? []).map((node, i) => boxSvg(node, boxes[i]!)),
    '</svg>',
    '',
  ].join('\n');
}

function boxOf(table: TableModel): Box {
  const references = new Set(table.references.flatMap((reference) => reference.columns));
  return {
    id: table.name,
    title: table.name.split('.')[1]!,
    own: true,
    lines: table.columns
      .filter((column) => !QUIET.has(column.name))
      .map((column) => ({
        name: column.name,
        type: `${shortType(column.type)}${column.nullable ? '?' : ''}`,
        mark: column.inKey ? 'key' : references.has(column.name) ? 'ref' : '',
      })),
  };
}

function shortType(type: string): string {
  return type
    .replace('timestamp with time zone', 'timestamptz')
    .replace('time without time zone', 'time')
    .replace(/^\w+\.(\w+)$/, '$1');
}

function sizeOf(box: Box): { width: number; height: number } {
  const longest = Math.max(
    box.title.length + 2,
    ...box.lines.map((line) => line.name.length + line.type.length + 3),
  );
  return {
    width: Math.ceil(longest * LETTER + 2 * PADDING),
    height: HEADER + box.lines.length * ROW + (box.lines.length > 0 ? 4 : 0),
  };
}

function boxSvg(node: ElkNode, box: Box): string {
  const { x = 0, y = 0, width = 0, height = 0 } = node;
  const lines = box.lines.map((line, i) => {
    const at = HEADER + i * ROW + 14;
    return `<text class="name ${line.mark}" x="${PADDING}" y="${at}">${xml(line.name)}</text><text class="type" x="${width - PADDING}" y="${at}">${xml(line.type)}</text>`;
  });
  return [
    `<g class="table${box.own ? '' : ' other'}" data-table="${xml(box.id)}" transform="translate(${round(x)} ${round(y)})">`,
    `<rect class="box" width="${width}" height="${height}" rx="4"/>`,
    `<rect class="head" width="${width}" height="${HEADER - 4}" rx="4"/>`,
    `<text class="title" x="${PADDING}" y="15">${xml(box.title)}</text>`,
    ...lines,
    '</g>',
  ].join('');
}

function edgeSvg(
  edge: ElkExtendedEdge,
  { from, to, label }: { from: string; to: string; label: string },
): string {
  const paths = (edge.sections ?? []).map((section) => {
    const points = [section.startPoint, ...(section.bendPoints ?? []), section.endPoint];
    return `M${points.map((point) => `${round(point.x)} ${round(point.y)}`).join('L')}`;
  });
  return `<path class="reference" data-from="${xml(from)}" data-to="${xml(to)}" d="${paths.join('')}" marker-end="url(#one)"><title>${xml(`${from} (${label}) to ${to}`)}</title></path>`;
}

function round(n: number): number {
  return Math.round(n * 10) / 10;
}

export function xml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
