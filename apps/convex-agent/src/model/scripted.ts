import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { type Model, ModelError, type ModelRequest, type ModelResult } from './model.ts';

const turnSchema = z.union([
  z.object({ say: z.string() }),
  z.object({ use: z.string(), input: z.record(z.string(), z.unknown()) }),
  z.object({ submit: z.unknown() }),
]);

/** What a recording holds for each step, by the step's key: words, tool calls, and the result at the end. */
export const recordingSchema = z.object({
  title: z.string(),
  steps: z.record(z.string(), z.array(turnSchema).min(1)),
});
export type Recording = z.infer<typeof recordingSchema>;

/**
 * Plays a recorded workflow, whatever the task says, so that a newcomer without a key sees agents at work. Tool calls
 * really happen; tokens are counted as zero.
 *
 * @param pace milliseconds between two words; 0 plays at once
 */
export function scriptedModel(recording: Recording, pace: number): Model {
  return {
    name: `scripted: ${recording.title}`,
    scripted: true,
    run: (request) => play(recording, pace, request),
  };
}

async function play<Result>(
  recording: Recording,
  pace: number,
  request: ModelRequest<Result>,
): Promise<ModelResult<Result>> {
  for (const turn of recording.steps[request.step] ?? []) {
    request.signal.throwIfAborted();
    if ('say' in turn) {
      for (const word of turn.say.match(/\S+\s*/g) ?? []) {
        request.onText(word);
        if (pace > 0) await delay(pace, undefined, { signal: request.signal });
      }
    } else if ('use' in turn) {
      const tool = request.tools.find((candidate) => candidate.name === turn.use);
      if (!tool) throw damaged(request.step, `calls ${turn.use}, which the step does not have`);
      await tool.run(tool.input.parse(turn.input));
    } else {
      const output = request.result.parse(turn.submit);
      const problem = await request.check(output);
      if (problem !== undefined) throw damaged(request.step, `has a wrong result: ${problem}`);
      return {
        output,
        sessionId: `scripted_${request.step}`,
        usage: { inputTokens: 0, outputTokens: 0 },
      };
    }
  }
  throw damaged(request.step, 'holds no result');
}

function damaged(step: string, what: string): ModelError {
  return new ModelError('MODEL_ANSWER_INVALID', `The recording of step ${step} ${what}.`, {
    hint: 'Restore src/model/recording.json, or set ANTHROPIC_API_KEY to use a real model.',
  });
}
