/** A step of the fill: `{from}`, `{to}`, `{year}`, `{lessons}` and `{exams}` stand for the options. */
export type Step = readonly [about: string, statement: string];

/** A number from 0 to 99 that a row's own numbers decide: chance, but the same each time. */
export const chance = (...parts: string[]) => `abs(hashint8(${parts.join(' * 7919 + ')}) % 100)`;
