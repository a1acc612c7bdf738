import { readFileSync } from 'node:fs';
import type { env } from '../env.ts';
import { anthropicModel } from './anthropic.ts';
import type { Model } from './model.ts';
import { recordingSchema, scriptedModel } from './scripted.ts';

/** Milliseconds between two words of the scripted model: slow enough to read along. */
const wordPace = 25;

/** Claude where there is a key, else the recorded workflow. */
export function chooseModel(values: ReturnType<typeof env.parse>): Model {
  if (values.ANTHROPIC_API_KEY === undefined) return scriptedModel(demoRecording(), wordPace);
  const [input, output] = values.ANTHROPIC_PRICE?.split('/').map(Number) ?? [];
  return anthropicModel({
    apiKey: values.ANTHROPIC_API_KEY,
    model: values.ANTHROPIC_MODEL,
    baseUrl: values.ANTHROPIC_BASE_URL,
    price: input === undefined || output === undefined ? undefined : { input, output },
  });
}

/** The recording that ships: a typed module for one table of a school, with its test. */
export function demoRecording() {
  return recordingSchema.parse(
    JSON.parse(readFileSync(new URL('./recording.json', import.meta.url), 'utf8')),
  );
}
