import type { Stack } from '../driver.ts';
import { describeError } from '../errors.ts';
import { load } from '../load.ts';
import { findBusyPortsOf } from '../port-variables.ts';
import { describePortOwner, type NeededPort } from '../ports.ts';
import { lockHolder, ownerLock, readState } from '../state.ts';
import type { Variant } from '../workspace.ts';
import { checkConvex } from './convex.ts';
import { checkData } from './data.ts';
import type { Check } from './index.ts';

export async function checkVariant(
  variant: Variant,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Check[]> {
  const checks = [checkState(variant)];
  try {
    const loaded = await load(variant, { processEnvironment: environment });
    const { stack, plan } = loaded;
    checks.unshift({
      subject: `${variant.name} files`,
      result: 'ok',
      message: 'the Compose and env files can be used',
    });
    const ports = plan.operations.flatMap((operation) =>
      operation.kind === 'check-ports' ? operation.ports : [],
    );
    checks.push(...(await checkPorts(stack, ports)), ...(await checkData(loaded)));
    checks.push(...checkConvex(stack)); // only: convex
  } catch (error) {
    const { message, details, hint } = describeError(error);
    checks.unshift({
      subject: `${variant.name} files`,
      result: 'failure',
      message: [message, ...details].join('\n    '),
      ...(hint === undefined ? {} : { fix: hint }),
    });
  }
  return checks;
}

async function checkPorts(stack: Stack, ports: readonly NeededPort[]): Promise<Check[]> {
  const { variant } = stack;
  const subject = `${variant.name} ports`;
  const busy = await findBusyPortsOf(stack, ports);
  const own = ({ owner }: (typeof busy)[number]) =>
    owner?.stack?.root === variant.root && owner.stack.variant === variant.name;
  const foreign = busy.filter((port) => !own(port));
  if (foreign.length === 0) {
    const used = busy.length ? ', in use by this stack' : ' free';
    return [
      {
        subject,
        result: 'ok',
        message: `${ports.map(({ port }) => port).join(', ') || 'none needed'}${ports.length ? used : ''}`,
      },
    ];
  }
  return foreign.map((port) => ({
    subject,
    result: 'failure',
    message: `${port.port} (${port.service}) is held by ${describePortOwner(port.owner)}`,
    fix: port.variable
      ? `write ${port.variable}=${port.free} to .env, start with --isolated, or stop the owner`
      : 'stop the owner',
  }));
}

function checkState(variant: Variant): Check {
  const subject = `${variant.name} state`;
  const holder = lockHolder(ownerLock(variant.stateDirectory));
  if (holder) return { subject, result: 'ok', message: `up, owned by process ${holder.pid}` };
  if (!readState(variant.stateDirectory)) return { subject, result: 'ok', message: 'not up' };
  return {
    subject,
    result: 'warning',
    message: 'its supervisor died without cleaning up',
    fix: 'nothing: the next start does it, or stackyard down',
  };
}
