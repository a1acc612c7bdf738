import type { Format } from '../types.ts';

/** What a file name's ending or a declared media type speaks for. */
export interface Hint {
  format: Format;
  mediaType: string;
  language?: string;
}

const languages: Record<string, string> = {
  typescript: 'ts tsx mts cts',
  javascript: 'js jsx mjs cjs',
  python: 'py pyi',
  java: 'java',
  kotlin: 'kt kts',
  scala: 'scala',
  go: 'go',
  rust: 'rs',
  c: 'c h',
  cpp: 'cc cpp cxx hh hpp hxx',
  csharp: 'cs',
  swift: 'swift',
  php: 'php',
  ruby: 'rb',
  perl: 'pl pm',
  lua: 'lua',
  r: 'r',
  dart: 'dart',
  elixir: 'ex exs',
  haskell: 'hs',
  clojure: 'clj cljs',
  shell: 'sh bash zsh fish',
  powershell: 'ps1',
  sql: 'sql',
  css: 'css scss less',
  yaml: 'yaml yml',
  toml: 'toml ini cfg conf properties',
  protobuf: 'proto',
  graphql: 'graphql gql',
  terraform: 'tf hcl',
  dockerfile: 'dockerfile',
  makefile: 'mk makefile',
  vue: 'vue svelte',
};

const office = 'application/vnd.openxmlformats-officedocument.';

const formats: { format: Format; mediaType: string; endings: string; also?: string }[] = [
  { format: 'pdf', mediaType: 'application/pdf', endings: 'pdf', also: 'application/x-pdf' },
  { format: 'docx', mediaType: `${office}wordprocessingml.document`, endings: 'docx docm dotx' },
  { format: 'pptx', mediaType: `${office}presentationml.presentation`, endings: 'pptx pptm potx ppsx' },
  { format: 'xlsx', mediaType: `${office}spreadsheetml.sheet`, endings: 'xlsx xlsm xltx' },
  { format: 'html', mediaType: 'text/html', endings: 'html htm xhtml', also: 'application/xhtml+xml' },
  {
    format: 'xml',
    mediaType: 'application/xml',
    endings: 'xml rss atom xsd svg',
    also: 'text/xml image/svg+xml application/rss+xml application/atom+xml',
  },
  { format: 'markdown', mediaType: 'text/markdown', endings: 'md markdown mdx mkd', also: 'text/x-markdown' },
  { format: 'text', mediaType: 'text/plain', endings: 'txt text log srt vtt rst adoc tex' },
  {
    format: 'csv',
    mediaType: 'text/csv',
    endings: 'csv tsv',
    also: 'text/tab-separated-values application/csv',
  },
  {
    format: 'json',
    mediaType: 'application/json',
    endings: 'json jsonl ndjson geojson',
    also: 'application/x-ndjson application/jsonl text/json application/ld+json',
  },
  { format: 'eml', mediaType: 'message/rfc822', endings: 'eml mht mhtml' },
  { format: 'zip', mediaType: 'application/zip', endings: 'zip', also: 'application/x-zip-compressed' },
];

const byEnding = new Map<string, Hint>();
const byType = new Map<string, Hint>();
for (const { format, mediaType, endings, also } of formats) {
  for (const ending of endings.split(' ')) byEnding.set(ending, { format, mediaType });
  for (const type of [mediaType, ...(also?.split(' ') ?? [])]) byType.set(type, { format, mediaType });
}
for (const [language, endings] of Object.entries(languages)) {
  const hint: Hint = { format: 'code', mediaType: `text/x-${language}`, language };
  for (const ending of endings.split(' ')) byEnding.set(ending, hint);
  byType.set(hint.mediaType, hint);
}
byType.set('text/javascript', byEnding.get('js')!);
byType.set('application/javascript', byEnding.get('js')!);
byType.set('text/css', byEnding.get('css')!);

/** The hint of a name such as `Report.PDF`, `src/main.rs` or `Dockerfile`. */
export function hintFromName(name: string): Hint | undefined {
  const base = name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1).toLowerCase();
  return byEnding.get(base.slice(base.lastIndexOf('.') + 1));
}

/** Splits `text/html; charset="utf-8"`. */
export function parseMediaType(declared: string | undefined): { type: string; charset: string | undefined } {
  const [type = '', ...parameters] = (declared ?? '').slice(0, 1024).split(';');
  const charset = parameters.map((part) => part.trim()).find((part) => /^charset=/i.test(part));
  return { type: type.trim().toLowerCase(), charset: charset?.slice(8).replaceAll('"', '').trim() };
}

/** The hint of a media type. `application/octet-stream` and `text/plain` are what senders say who do not know. */
export function hintFromType(type: string): Hint | undefined {
  return byType.get(type);
}

/** The media type that stands for a format. */
export function mediaTypeOf(format: Format): string {
  return formats.find((row) => row.format === format)?.mediaType ?? 'text/plain';
}
