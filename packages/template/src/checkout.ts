import { execFileSync } from 'node:child_process';
import { run } from './commands.ts';
import { TemplateError } from './template-error.ts';
import { isCheckout } from './tree.ts';

/** Whether a checkout holds changes that are in no commit; never so for a copy without git. */
export function isDirty(root: string): boolean {
  return isCheckout(root) && git(root, 'status', '--porcelain') !== '';
}

export function git(root: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 }).trim();
}

/** Commits everything as it is now. */
export async function commitAll(root: string, message: string): Promise<void> {
  try {
    await run('git', ['add', '--all'], { cwd: root });
    await run('git', ['commit', '--quiet', '--message', message], { cwd: root });
  } catch (cause) {
    throw new TemplateError('TEMPLATE_COMMIT', 'the project is complete, but git made no commit of it', {
      details: cause instanceof TemplateError ? cause.details : [],
      hint: 'do what git asks for (a name and an address?), then: git add --all && git commit',
      cause,
    });
  }
}
