import { z } from 'zod';

/** The result of each step, as the model hands it in and as it is kept. */
export const planSchema = z.object({
  summary: z.string().min(1).describe('What will be built, in one or two sentences'),
  files: z
    .array(z.object({ path: z.string().min(1), purpose: z.string().min(1) }))
    .min(1)
    .max(40)
    .describe('Every file to write'),
  acceptance: z.array(z.string().min(1)).min(1).describe('What must be true of the finished work'),
});
export type Plan = z.infer<typeof planSchema>;

export const codeSchema = z.object({
  summary: z.string().min(1).describe('What was written or changed'),
  files: z.array(z.string().min(1)).min(1).describe('Paths of the files written in this step'),
});
export type Code = z.infer<typeof codeSchema>;

export const reviewSchema = z
  .object({
    approved: z.boolean().describe('Whether the work meets every acceptance criterion'),
    findings: z
      .array(
        z.object({
          path: z.string().min(1),
          severity: z.enum(['blocker', 'minor']),
          finding: z.string().min(1),
        }),
      )
      .describe('What to mend, blockers first'),
  })
  .refine(({ approved, findings }) => approved !== findings.some(({ severity }) => severity === 'blocker'), {
    path: ['approved'],
    message: 'work is approved when no finding is a blocker, and only then',
  });
export type Review = z.infer<typeof reviewSchema>;

export type AgentType = 'planner' | 'coder' | 'reviewer';

export const systemPrompts: Record<AgentType, string> = {
  planner: [
    'You plan small pieces of software for an experienced colleague who will write them.',
    'Look at the files of the workspace first. Name every file to write and what each is for, and criteria that a reviewer can check by reading.',
    'You write no code in this step.',
  ].join('\n'),
  coder: [
    'You write the files of a plan, whole, with the write_file tool. TypeScript, strict, without `any`; tests beside the code.',
    'Where a review is given, mend every blocker and leave what it did not mention as it is.',
  ].join('\n'),
  reviewer: [
    'You review files against the acceptance criteria of a plan. Read every file that the plan names.',
    'Approve only work without blockers. Each finding names the file and what to change.',
  ].join('\n'),
};

export function planPrompt(task: string): string {
  return `The task:\n\n${task}`;
}

export function codePrompt(task: string, plan: Plan, review: Review | undefined): string {
  const parts = [`The task:\n\n${task}`, `The plan:\n\n${JSON.stringify(plan, null, 2)}`];
  if (review)
    parts.push(`The review of the last attempt, to be mended:\n\n${JSON.stringify(review, null, 2)}`);
  return parts.join('\n\n');
}

export function reviewPrompt(task: string, plan: Plan, code: Code): string {
  return [
    `The task:\n\n${task}`,
    `The plan:\n\n${JSON.stringify(plan, null, 2)}`,
    `What the coder says:\n\n${code.summary}\n\nFiles: ${code.files.join(', ')}`,
  ].join('\n\n');
}
