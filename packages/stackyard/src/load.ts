import { type LoadOptions, loadStack } from './configuration.ts';
import type { Driver, Stack } from './driver.ts';
import { loadDriver } from './drivers/index.ts';
import { type Plan, planStack } from './plan.ts';
import type { Variant } from './workspace.ts';

/** A variant with its driver and what a start of it would do. */
export interface LoadedStack {
  readonly stack: Stack;
  readonly driver: Driver;
  readonly plan: Plan;
}

export async function load(variant: Variant, options: LoadOptions): Promise<LoadedStack> {
  const stack = await loadStack(variant, options);
  const driver = await loadDriver(stack.driver);
  return { stack, driver, plan: planStack(stack, driver) };
}
