import { generateInstanceSecret } from '@stackyard/convex-selfhost';
import type { Command } from 'commander';
import { newCommand, type Surroundings } from '../command-line.ts';

export function command(surroundings: Surroundings): Command {
  return newCommand('secret', 'make an instance secret and print it').action(() => {
    surroundings.stdout.write(`${generateInstanceSecret()}\n`);
  });
}
