import { z } from 'zod';
import { PipelineError } from '../errors.ts';
import type { Vector } from '../types.ts';

const answerSchema = z.object({
  data: z.array(
    z.object({
      index: z.number().int().optional(),
      embedding: z.unknown(),
    }),
  ),
});

/** Reads an answer of `POST /embeddings`: one vector per text, in order, each as long as promised and finite. */
export async function readVectors(response: Response, count: number, dimensions: number): Promise<Vector[]> {
  // The longest honest answer: JSON numbers of up to 25 characters.
  const body = await readBody(response, 65_536 + count * (dimensions * 26 + 512));
  let data: z.infer<typeof answerSchema>['data'];
  try {
    ({ data } = answerSchema.parse(JSON.parse(body)));
  } catch (cause) {
    throw invalid('is not what an embedding service answers', cause);
  }
  if (data.length !== count) throw invalid(`has ${data.length} vectors for ${count} texts`);
  const vectors = new Array<Vector>(count);
  for (const [position, { index = position, embedding }] of data.entries()) {
    if (index < 0 || index >= count || vectors[index] !== undefined)
      throw invalid(`numbers its vectors wrongly (${index})`);
    vectors[index] = checked(toVector(embedding), dimensions);
  }
  return vectors;
}

async function readBody(response: Response, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.byteLength;
    if (size > limit) throw invalid(`is longer than ${limit} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

/** From little-endian base64, or from JSON numbers where a service ignores the encoding asked for. */
function toVector(embedding: unknown): Vector {
  if (Array.isArray(embedding))
    return Float32Array.from(embedding, (value) => (typeof value === 'number' ? value : Number.NaN));
  if (typeof embedding !== 'string') throw invalid('has a vector that is neither base64 nor numbers');
  const bytes = Buffer.from(embedding, 'base64');
  if (bytes.length % 4 !== 0) throw invalid('has a vector that is cut off');
  const vector = new Float32Array(bytes.length / 4);
  for (let at = 0; at < vector.length; at++) vector[at] = bytes.readFloatLE(at * 4);
  return vector;
}

function checked(vector: Vector, dimensions: number): Vector {
  if (vector.length !== dimensions)
    throw invalid(`has a vector of ${vector.length} dimensions where the model has ${dimensions}`);
  let squares = 0;
  for (const value of vector) {
    if (!Number.isFinite(value)) throw invalid('has a vector with a value that is no finite number');
    squares += value * value;
  }
  // Cosine distance to a zero vector is not a number, which an index cannot order.
  if (squares === 0) throw invalid('has a vector of zeros');
  return vector;
}

function invalid(what: string, cause?: unknown): PipelineError {
  return new PipelineError('INGEST_EMBED_INVALID', `The answer of the embedding service ${what}`, {
    hint: 'Check that model and dimensions of the embedder belong together, then redrive the documents.',
    cause,
  });
}
