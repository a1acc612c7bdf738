import { findTools } from '../drivers/docker/tool.ts';
import { describeError } from '../errors.ts';
import type { Check } from './index.ts';

/** Engine and Compose. Without them only the driver `docker` does not work: a failure where that one is asked for. */
export async function checkDocker(environment: Readonly<Record<string, string | undefined>>): Promise<Check> {
  const subject = 'docker';
  try {
    const { engine, compose } = await findTools(environment);
    const tool = [compose.program, ...compose.prefix, compose.version].join(' ');
    return { subject, result: 'ok', message: `engine ${engine}, ${tool}` };
  } catch (error) {
    const { message, hint } = describeError(error);
    if (environment.STACKYARD_DRIVER !== 'docker') {
      return { subject, result: 'ok', message: `${message}; only --driver docker needs it` };
    }
    return { subject, result: 'failure', message, ...(hint === undefined ? {} : { fix: hint }) };
  }
}
