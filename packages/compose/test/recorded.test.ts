import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { comparable, differences } from './comparable.ts';
import { recordedSets, resolveRecorded, withoutFolder } from './recorded.ts';

test.each(recordedSets)('$name resolves to what Compose v2 made of it', ({ files, recording }) => {
  const theirs = JSON.parse(readFileSync(recording, 'utf8'));
  const ours = JSON.parse(withoutFolder(JSON.stringify(resolveRecorded(files))));
  expect(differences(comparable(ours), comparable(theirs))).toEqual([]);
});
