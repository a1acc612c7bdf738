import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import type {
  Message,
  MessageParam,
  ToolResultBlockParam,
  ToolUseBlock,
} from '@anthropic-ai/sdk/resources/messages';
import { z } from 'zod';
import { addUsage, type Usage } from '../../convex/usage.ts';
import {
  type Model,
  ModelError,
  type ModelRequest,
  type ModelResult,
  type Tool,
  ToolError,
} from './model.ts';
import { retrying } from './retry.ts';

export interface AnthropicOptions {
  readonly apiKey: string;
  /** A model's name as the Messages API knows it. */
  readonly model: string;
  readonly baseUrl?: string | undefined;
  /** US dollars per million tokens. Without it, cost is not reported. */
  readonly price?: { readonly input: number; readonly output: number } | undefined;
  /** Tokens of one answer. */
  readonly maxTokens?: number;
  /** Answers of one step, tool calls included. */
  readonly maxTurns?: number;
  /** Waits before the second, third, ... attempt of a request, in milliseconds; `retry-after` wins. */
  readonly backoffMs?: readonly number[];
}

const submit = 'submit_result';

/** Claude over the Messages API, with streaming and tools. */
export function anthropicModel(options: AnthropicOptions): Model {
  const client = new Anthropic({
    apiKey: options.apiKey,
    ...(options.baseUrl ? { baseURL: options.baseUrl } : {}),
    maxRetries: 0, // `retrying` also covers errors in the middle of a stream, which the client does not
  });
  return {
    name: options.model,
    scripted: false,
    run: (request) => new Conversation(client, options, request).run(),
  };
}

class Conversation<Result> {
  readonly #client: Anthropic;
  readonly #options: AnthropicOptions;
  readonly #request: ModelRequest<Result>;
  readonly #tools: readonly Tool[];
  readonly #sessionId = `msgs_${randomUUID()}`;
  #messages: MessageParam[] = [];
  #usage: Usage = { inputTokens: 0, outputTokens: 0 };
  #result: { output: Result } | undefined;

  constructor(client: Anthropic, options: AnthropicOptions, request: ModelRequest<Result>) {
    this.#client = client;
    this.#options = options;
    this.#request = request;
    this.#tools = [
      ...request.tools,
      {
        name: submit,
        description: 'Hands in the result of your work. Call it once, when everything is done.',
        input: request.result,
        run: async (output) => {
          const problem = await request.check(output as Result);
          if (problem !== undefined) throw new ToolError(problem);
          this.#result = { output: output as Result };
          return 'accepted';
        },
      },
    ];
  }

  async run(): Promise<ModelResult<Result>> {
    await this.#resume();
    const maxTurns = this.#options.maxTurns ?? 40;
    for (let turn = 0; turn < maxTurns; turn++) {
      const last = this.#messages.at(-1);
      if (last?.role !== 'assistant') await this.#ask();
      await this.#answer();
      if (this.#result) {
        return { output: this.#result.output, sessionId: this.#sessionId, usage: this.#usage };
      }
    }
    throw new ModelError(
      'MODEL_TURNS_EXCEEDED',
      `The step took more than ${maxTurns} turns without a result.`,
      {
        hint: 'Split the task into smaller ones.',
      },
    );
  }

  /** Takes up the conversation where an interrupted run of the step left it. */
  async #resume(): Promise<void> {
    for (const entry of await this.#request.transcript.load()) {
      if (entry.kind === 'usage') this.#usage = addUsage(this.#usage, entry.usage);
      else this.#messages.push(entry.message as MessageParam);
    }
    if (this.#messages.length === 0) await this.#push({ role: 'user', content: this.#request.prompt });
  }

  async #ask(): Promise<void> {
    const message = await retrying(() => this.#stream(), {
      signal: this.#request.signal,
      ...(this.#options.backoffMs ? { backoffMs: this.#options.backoffMs } : {}),
    });
    const { input_tokens: inputTokens, output_tokens: outputTokens } = message.usage;
    const price = this.#options.price;
    const usage: Usage = {
      inputTokens,
      outputTokens,
      ...(price ? { costUsd: (inputTokens * price.input + outputTokens * price.output) / 1e6 } : {}),
    };
    this.#usage = addUsage(this.#usage, usage);
    await this.#request.transcript.append({ kind: 'usage', usage });
    if (message.stop_reason === 'refusal') {
      throw new ModelError('MODEL_REFUSED', 'The model refused this step.', {
        hint: 'Change the wording of the task, then retry the workflow.',
      });
    }
    // An answer cut off by the token limit may end in half a tool call, which must not run.
    const content =
      message.stop_reason === 'max_tokens'
        ? message.content.filter((block) => block.type !== 'tool_use')
        : message.content;
    await this.#push({ role: 'assistant', content: content.length > 0 ? content : '(cut off)' });
  }

  async #stream(): Promise<Message> {
    const stream = this.#client.messages.stream(
      {
        model: this.#options.model,
        max_tokens: this.#options.maxTokens ?? 16_000,
        system: this.#request.system,
        messages: this.#messages,
        tools: this.#tools.map((tool) => ({
          name: tool.name,
          description: tool.description,
          input_schema: z.toJSONSchema(tool.input) as Anthropic.Tool.InputSchema,
        })),
      },
      { signal: this.#request.signal },
    );
    stream.on('text', (delta) => this.#request.onText(delta));
    return await stream.finalMessage();
  }

  /** Runs the tools that the last answer calls, or asks for the result where it calls none. */
  async #answer(): Promise<void> {
    const content = this.#messages.at(-1)?.content ?? '';
    const calls = typeof content === 'string' ? [] : content.filter((block) => block.type === 'tool_use');
    if (calls.length === 0) {
      const text = `Go on. When everything is done, hand in the result with ${submit}.`;
      await this.#push({ role: 'user', content: text });
      return;
    }
    const results: ToolResultBlockParam[] = [];
    for (const call of calls) {
      this.#request.signal.throwIfAborted();
      results.push(await this.#call(call as ToolUseBlock));
    }
    if (!this.#result) await this.#push({ role: 'user', content: results });
  }

  async #call(call: ToolUseBlock): Promise<ToolResultBlockParam> {
    const answer = (content: string, failed: boolean): ToolResultBlockParam => ({
      type: 'tool_result',
      tool_use_id: call.id,
      content,
      is_error: failed,
    });
    const tool = this.#tools.find((candidate) => candidate.name === call.name);
    if (!tool) return answer(`There is no tool ${call.name}.`, true);
    const input = tool.input.safeParse(call.input);
    if (!input.success) return answer(`The input does not fit:\n${z.prettifyError(input.error)}`, true);
    try {
      return answer(await tool.run(input.data), false);
    } catch (error) {
      if (error instanceof ToolError) return answer(error.message, true);
      throw error;
    }
  }

  async #push(message: MessageParam): Promise<void> {
    this.#messages.push(message);
    await this.#request.transcript.append({ kind: 'message', message });
  }
}
