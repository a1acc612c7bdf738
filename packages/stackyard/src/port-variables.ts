import { readFileSync } from 'node:fs';
import type { Stack } from './driver.ts';

/** Finds the variable of the Compose files whose value is a port number, so that a message can say what to set. */
export function portVariables(stack: Stack): (port: number) => string | undefined {
  const byPort = new Map<number, string>();
  for (const file of stack.variant.files) {
    for (const [, name, fallback] of readFileSync(file, 'utf8').matchAll(
      /\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}/g,
    )) {
      const port = Number(stack.environment[name!] || fallback);
      if (name!.includes('PORT') && Number.isInteger(port) && port > 0) byPort.set(port, name!);
    }
  }
  return (port) => byPort.get(port);
}
