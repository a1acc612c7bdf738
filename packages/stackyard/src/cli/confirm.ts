import { createInterface } from 'node:readline/promises';

/** Asks at the terminal; `preset` is what an empty answer means. */
export async function confirm(question: string, preset: boolean): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = (await prompt.question(`${question} [${preset ? 'Y/n' : 'y/N'}] `)).trim();
    return answer === '' ? preset : /^y(es)?$/i.test(answer);
  } finally {
    prompt.close();
  }
}
