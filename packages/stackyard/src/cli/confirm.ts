import { createInterface } from 'node:readline/promises';
import { InterruptedError } from '../errors.ts';

/** Asks at the terminal; `preset` is what an empty answer means. */
export async function confirm(question: string, preset: boolean): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = (await prompt.question(`${question} [${preset ? 'Y/n' : 'y/N'}] `)).trim();
    return answer === '' ? preset : /^y(es)?$/i.test(answer);
  } catch (error) {
    // Ctrl-C, which the terminal hands to the prompt as a key, and Ctrl-D.
    if ((error as Error).name !== 'AbortError') throw error;
    process.stdout.write('\n');
    throw new InterruptedError();
  } finally {
    prompt.close();
  }
}
