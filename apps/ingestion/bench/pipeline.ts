// How many text documents of 10 kB a second go from bytes to embedded chunks, isolated, on this machine; beside the
// same steps without isolation, and beside cutting alone by LangChain with a real tokenizer. Medians of rounds that
// take turns.
import { isDeepStrictEqual } from 'node:util';
import { RecursiveCharacterTextSplitter } from '@langchain/textsplitters';
import { encode } from 'gpt-tokenizer/encoding/o200k_base';
import { Budget } from '../src/pipeline/extract/budget.ts';
import { fromBytes } from '../src/pipeline/extract/byte-source.ts';
import { extract } from '../src/pipeline/extract/extract.ts';
import {
  type Chunk,
  chunk,
  createHashingEmbedder,
  defaultChunkOptions,
  defaultLimits,
  type Embedder,
  embeddingText,
  openExtractor,
  runPipeline,
} from '../src/pipeline/index.ts';
import { makeDocx, makePdf, makeXlsx, prose } from '../test/documents.ts';

const target = 150;
const rounds = 5;
const count = 200;
const processes = 2;

interface Sample {
  name: string;
  bytes: Uint8Array;
}

const kinds: Record<string, Sample[]> = {
  text: samples('txt', (seed) => prose(10_000, seed)),
  Markdown: samples('md', (seed) =>
    Array.from({ length: 8 }, (_, at) => `## Part ${at}\n\n${prose(1230, seed * 8 + at)}\n\n`)
      .join('')
      .slice(0, 10_000),
  ),
  code: samples('ts', (seed) =>
    Array.from(
      { length: 60 },
      (_, at) =>
        `export function f${seed}_${at}(a: number) {\n  // ${prose(60, at)}\n  return a * ${at};\n}\n\n`,
    )
      .join('')
      .slice(0, 10_000),
  ),
  CSV: samples('csv', (seed) =>
    `id,name,note\n${Array.from({ length: 250 }, (_, at) => `${at},person ${seed},${prose(24, at)}`).join('\n')}`.slice(
      0,
      10_000,
    ),
  ),
};

function samples(ending: string, make: (seed: number) => string): Sample[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `a.${ending}`,
    bytes: Buffer.from(make(at + 1)),
  }));
}

const noWork: Embedder = {
  model: 'none',
  dimensions: 1,
  description: 'answers at once',
  embed: async (texts) => texts.map(() => Float32Array.of(1)),
};
const hashing = createHashingEmbedder();
const splitter = new RecursiveCharacterTextSplitter({
  chunkSize: defaultChunkOptions.maxTokens,
  chunkOverlap: defaultChunkOptions.overlapTokens,
  lengthFunction: (text) => encode(text).length,
});
await using extractor = openExtractor({ processes });

const ways: Record<string, (sample: Sample) => Promise<Pick<Chunk, 'text'>[]>> = {
  pipeline: async ({ name, bytes }) =>
    (await runPipeline({ name, source: { bytes } }, { extractor, embedder: noWork, seed: 's' })).chunks,
  'with hashing embedder': async ({ name, bytes }) =>
    (await runPipeline({ name, source: { bytes } }, { extractor, embedder: hashing, seed: 's' })).chunks,
  'not isolated': async ({ name, bytes }) => {
    const document = await extract(fromBytes(bytes), { name }, { budget: new Budget(defaultLimits) });
    const chunks = chunk(document, defaultChunkOptions, 's');
    await noWork.embed(chunks.map(embeddingText));
    return chunks;
  },
  'LangChain, cut only': async ({ bytes }) =>
    (await splitter.splitText(Buffer.from(bytes).toString())).map((text) => ({ text })),
};

/** Documents a second, with as many at a time as there are readers. */
async function rate(documents: Sample[], way: (sample: Sample) => Promise<unknown>): Promise<number> {
  const queue = documents.values();
  const started = performance.now();
  await Promise.all(
    Array.from({ length: processes * 2 }, async () => {
      for (const document of queue) await way(document);
    }),
  );
  return documents.length / ((performance.now() - started) / 1000);
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

console.log(`documents of 10 kB per second, ${processes} readers, median of ${rounds} rounds of ${count}\n`);
console.log(['', ...Object.keys(ways), 'target', 'reached'].map((cell) => cell.padStart(22)).join(''));
let reached = true;
for (const [kind, documents] of Object.entries(kinds)) {
  const first = documents[0]!;
  // Both ways of our own must give the same chunks before any time counts.
  const [isolated, direct] = await Promise.all([ways.pipeline!(first), ways['not isolated']!(first)]);
  if (!isDeepStrictEqual(isolated, direct)) throw new Error(`${kind}: the chunks differ`);
  const rates: Record<string, number[]> = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++)
    for (const [name, way] of Object.entries(ways)) {
      const measured = await rate(documents, way);
      // The first round only warms up.
      if (round > 0) rates[name]!.push(measured);
    }
  const figures = Object.values(rates).map(median);
  const ours = Math.min(figures[0]!, figures[1]!);
  reached &&= ours >= target;
  console.log(
    [kind, ...figures.map((figure) => figure.toFixed(0)), `>= ${target}`, ours >= target ? 'yes' : 'NO']
      .map((cell) => cell.padStart(22))
      .join(''),
  );
}

const office: Sample[] = [
  {
    name: 'a.pdf',
    bytes: await makePdf(Array.from({ length: 5 }, (_, at) => prose(2000, at).replace(/.{80} /g, '$&\n'))),
  },
  { name: 'a.docx', bytes: await makeDocx() },
  { name: 'a.xlsx', bytes: await makeXlsx() },
];
console.log('\nfor comparison, small documents of other formats:');
for (const sample of office) {
  const documents = Array.from({ length: 40 }, () => sample);
  await rate(documents.slice(0, 8), ways.pipeline!);
  console.log(
    `${sample.name.padStart(22)}${(await rate(documents, ways.pipeline!)).toFixed(0).padStart(22)} per second`,
  );
}
process.exitCode = reached ? 0 : 1;
