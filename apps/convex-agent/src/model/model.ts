import type { z } from 'zod';
import type { Usage } from '../../convex/usage.ts';

/** What a step asks of a model: work with the tools, then hand in one result of the given shape. */
export interface ModelRequest<Result> {
  /** The step's key, stable across retries and restarts: `planner`, `coder-1`, `reviewer-1`. */
  readonly step: string;
  readonly system: string;
  readonly prompt: string;
  readonly tools: readonly Tool[];
  readonly result: z.ZodType<Result>;
  /** What is wrong with a result of that shape, in words for the model; undefined where nothing is. */
  check(result: Result): Promise<string | undefined>;
  readonly signal: AbortSignal;
  /** Text as the model writes it, for people who watch. */
  onText(delta: string): void;
  /** Messages of an earlier, interrupted run of this step, and where the messages of this one are kept. */
  readonly transcript: Transcript;
}

export interface ModelResult<Result> {
  readonly output: Result;
  /** Names the conversation, so that a person finds it in the transcript and at the provider. */
  readonly sessionId: string;
  readonly usage: Usage;
}

/** A provider of models. `scripted` ones play a recording and are labelled so wherever their work is shown. */
export interface Model {
  readonly name: string;
  readonly scripted: boolean;
  run<Result>(request: ModelRequest<Result>): Promise<ModelResult<Result>>;
}

export interface Tool<Input = unknown> {
  readonly name: string;
  readonly description: string;
  readonly input: z.ZodType<Input>;
  /** The answer for the model. A thrown `ToolError` becomes an answer too; any other error ends the step. */
  run(input: Input): Promise<string>;
}

/** An append-only list of provider messages. */
export interface Transcript {
  load(): Promise<TranscriptEntry[]>;
  append(entry: TranscriptEntry): Promise<void>;
}

export type TranscriptEntry =
  | { readonly kind: 'message'; readonly message: unknown }
  | { readonly kind: 'usage'; readonly usage: Usage };

/** The model used a tool wrongly, in a way that it can mend. */
export class ToolError extends Error {
  override readonly name = 'ToolError';
}

export type ModelErrorCode =
  | 'MODEL_REFUSED'
  | 'MODEL_UNAVAILABLE'
  | 'MODEL_ANSWER_INVALID'
  | 'MODEL_TURNS_EXCEEDED'
  | 'MODEL_KEY_INVALID';

/** A model could not do a step. `retryable` tells whether the same request may succeed later. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  readonly code: ModelErrorCode;
  readonly hint: string;
  readonly retryable: boolean;

  constructor(
    code: ModelErrorCode,
    message: string,
    options: { hint: string; retryable?: boolean; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}
