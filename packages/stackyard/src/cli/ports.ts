import type { Command } from 'commander';
import { findPortOwners } from '../port-owner.ts';
import { type RegisteredStack, registeredStacks } from '../registry.ts';
import { newCommand, paints, type Surroundings } from './command-line.ts';
import { formatTable } from './terminal.ts';

export function command(surroundings: Surroundings): Command {
  return newCommand('ports', 'list the ports of every stack of this user on this machine')
    .option('--json', 'for programs: one object per port')
    .addHelpText('after', '\nWorks everywhere, also outside a checkout. What has died is not listed.')
    .action((options: { json?: boolean }) => ports(surroundings, options));
}

interface UsedPort {
  readonly checkout: string;
  readonly variant: string;
  readonly service: string;
  readonly port: number;
  /** Of the process that listens, else of the service's; absent when neither is this user's to see. */
  readonly pid?: number;
}

function ports(surroundings: Surroundings, options: { json?: boolean }): void {
  const { stdout } = surroundings;
  const found = usedPorts(registeredStacks(surroundings.environment));
  if (options.json) {
    stdout.write(`${JSON.stringify(found, undefined, 2)}\n`);
    return;
  }
  if (found.length === 0) {
    stdout.write('no stack is up\n');
    return;
  }
  const { out } = paints(surroundings);
  const rows = found.map(({ checkout, variant, service, port, pid }) => [
    ...[checkout, variant, service, String(port), pid === undefined ? '-' : String(pid)],
  ]);
  const table = formatTable([['CHECKOUT', 'VARIANT', 'SERVICE', 'PORT', 'PID'], ...rows], (text, row) =>
    row === 0 ? out('dim', text) : text,
  );
  stdout.write(`${table.join('\n')}\n`);
}

function usedPorts(stacks: readonly RegisteredStack[]): UsedPort[] {
  const all = stacks.flatMap(({ root, variant, state, scripts }) =>
    Object.entries({ ...state.services, ...scripts }).flatMap(([service, record]) =>
      (record.ports ?? []).map(({ host }) => ({ root, variant, service, host, process: record.process })),
    ),
  );
  const owners = findPortOwners(all.map(({ host }) => host));
  return all.map(({ root, variant, service, host, process }) => {
    const pid = owners.get(host)?.pid ?? process?.pid;
    return { checkout: root, variant, service, port: host, ...(pid === undefined ? {} : { pid }) };
  });
}
