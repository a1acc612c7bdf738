import { expect, test } from 'vitest';
import { crashRounds } from './crash.ts';
import { temporaryFolder } from './project.ts';

test('a deployment killed under load loses nothing that it acknowledged, and applies nothing twice', async () => {
  using folder = temporaryFolder();
  const result = await crashRounds(folder.path, 3);
  expect(result.acknowledged).toBeGreaterThan(3);
  expect(result).toMatchObject({ lost: 0, twice: 0 });
});
