import { beforeAll } from 'vitest';
import { findTools } from '../../src/drivers/docker/tool.ts';
import { describeContract } from './contract.ts';

// One sentence instead of a failure of each test.
beforeAll(async () => {
  await findTools(process.env);
});

describeContract('docker');
