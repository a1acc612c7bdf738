import { checkConfiguration } from '@stackyard/convex-selfhost';
import { convexConfiguration } from '../convex/configuration.ts';
import type { Stack } from '../driver.ts';
import type { Check } from './index.ts';

/** The known traps of a self-hosted Convex, for a variant that has one. */
export function checkConvex(stack: Stack): Check[] {
  const configuration = convexConfiguration(stack);
  if (!configuration) return [];
  const subject = `${stack.variant.name} convex`;
  const findings = checkConfiguration(configuration).filter(({ severity }) => severity !== 'info');
  if (findings.length === 0) return [{ subject, result: 'ok', message: 'none of the known traps' }];
  return findings.map(({ id, severity, message, fix }) => ({
    subject,
    result: severity === 'error' ? 'failure' : 'warning',
    message: `${message} (${id})`,
    fix,
  }));
}
