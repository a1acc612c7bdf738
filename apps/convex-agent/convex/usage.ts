/** What a model used up. */
export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** US dollars; absent where the price of the model is not known. */
  readonly costUsd?: number;
}

/** Of two parts of the work together. The cost stays unknown only where both are. */
export function addUsage(left: Usage, right: Usage): Usage {
  const costUsd =
    left.costUsd === undefined && right.costUsd === undefined
      ? undefined
      : (left.costUsd ?? 0) + (right.costUsd ?? 0);
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    ...(costUsd === undefined ? {} : { costUsd }),
  };
}
