import { expect, test } from 'vitest';
import { reviewSchema } from './steps.ts';

const finding = (severity: 'blocker' | 'minor') => ({ path: 'a.ts', severity, finding: 'Mend it.' });

test.each([
  ['approves with a blocker', { approved: true, findings: [finding('minor'), finding('blocker')] }],
  ['refuses without naming a blocker', { approved: false, findings: [finding('minor')] }],
])('a review that %s contradicts itself', (_, review) => {
  const result = reviewSchema.safeParse(review);
  expect(result.error?.issues[0]).toMatchObject({ path: ['approved'] });
});

test('a review approves with minor findings, and refuses with a blocker', () => {
  const approved = { approved: true, findings: [finding('minor')] };
  const refused = { approved: false, findings: [finding('blocker')] };
  expect(reviewSchema.parse(approved)).toEqual(approved);
  expect(reviewSchema.parse(refused)).toEqual(refused);
});
