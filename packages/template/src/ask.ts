import { createInterface } from 'node:readline';
import { type Names, nameProblem, scopeProblem, titleOf, titleProblem } from './names.ts';
import type { Choice } from './prepare.ts';
import { TemplateError } from './template-error.ts';

/** What was said on the command line; the rest is asked for, or follows from it. */
export interface Wishes {
  readonly name?: string | undefined;
  readonly scope?: string | undefined;
  readonly title?: string | undefined;
  readonly keep?: readonly string[] | undefined;
}

export interface Dialog {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

/** The choice that follows from the wishes without a question: everything stays, the scope is the name. */
export function choiceOf(wishes: Wishes, defaults: { name: string; variants: readonly string[] }): Choice {
  const name = wishes.name ?? defaults.name;
  return {
    name,
    scope: withoutAt(wishes.scope ?? name),
    title: wishes.title ?? titleOf(name),
    keep: wishes.keep ?? defaults.variants,
  };
}

/** Asks for what was not said, again until the answer will do. */
export async function askForChoice(
  wishes: Wishes,
  defaults: { name: string; variants: readonly string[]; taken: ReadonlySet<string> },
  { input, output }: Dialog,
  signal?: AbortSignal,
): Promise<Choice> {
  const prompt = createInterface({ input, output, ...(signal ? { signal } : {}) });
  // The terminal hands Ctrl-C to the prompt as a key; it stops the command as it does anywhere else.
  prompt.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  const lines = prompt[Symbol.asyncIterator]();
  const ask = async (question: string, preset: string, problem: (answer: string) => string | undefined) => {
    for (;;) {
      output.write(`${question} [${preset}] `);
      const { value, done } = await lines.next();
      if (done) output.write('\n');
      signal?.throwIfAborted();
      if (done) throw unanswered();
      const answer = value.trim() || preset;
      const refusal = problem(answer);
      if (refusal === undefined) return answer;
      output.write(`  ${refusal}\n`);
    }
  };
  try {
    const name =
      wishes.name ?? (await ask('Name', defaults.name, (answer) => nameProblem(answer, defaults.taken)));
    const names: Names = choiceOf({ ...wishes, name }, defaults);
    const scope =
      wishes.scope ?? (await ask('npm scope', names.scope, (answer) => scopeProblem(withoutAt(answer))));
    const title = wishes.title ?? (await ask('Title', names.title, titleProblem));
    const unknown = (answer: string) => split(answer).filter((word) => !defaults.variants.includes(word));
    const keep =
      wishes.keep ??
      split(
        await ask('Variants to keep', defaults.variants.join(','), (answer) => {
          if (split(answer).length === 0) return `name at least one of ${defaults.variants.join(', ')}`;
          return unknown(answer).length > 0 ? `there is no ${unknown(answer).join(', ')}` : undefined;
        }),
      );
    return choiceOf({ name, scope, title, keep }, defaults);
  } finally {
    prompt.close();
  }
}

/** Names between commas or blanks, each once. */
export function split(text: string): string[] {
  return [...new Set(text.split(/[\s,]+/).filter((word) => word !== ''))];
}

function withoutAt(scope: string): string {
  return scope.replace(/^@/, '');
}

function unanswered(): TemplateError {
  const hint = 'give the answers as flags: --name acme-shop --keep name,name --yes';
  return new TemplateError('TEMPLATE_USAGE', 'the questions were not answered', { hint, exitCode: 2 });
}
