import { describe } from 'vitest';
import { endingTests } from './ending.ts';
import { runningTests } from './running.ts';
import { troubleTests } from './trouble.ts';

/** What every driver has to do, as tests; a driver's own test file calls it. */
export function describeContract(driver: string): void {
  // Containers of one test at a time are work enough for the engine.
  const concurrent = driver === 'embedded';
  describe(`the driver ${driver}`, { timeout: 120_000, concurrent }, () => {
    runningTests(driver);
    troubleTests(driver);
    endingTests(driver);
  });
}
