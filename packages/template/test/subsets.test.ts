// only: template
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { findMentions, namePattern, prunedPattern } from '../src/leftovers.ts';
import { importsOf, isCode, resolveSpecifier } from '../src/modules.ts';
import { prepare } from '../src/prepare.ts';
import { readTree, textOf } from '../src/tree.ts';
import { readVariants } from '../src/workspace.ts';

const template = readTree(path.resolve(import.meta.dirname, '../../..'));
const variants = readVariants(template).map(({ name }) => name);
const subsets = Array.from({ length: 2 ** variants.length - 1 }, (_, bits) =>
  variants.filter((_, index) => ((bits + 1) >> index) & 1),
);

describe.each(subsets.map((keep) => ({ keep, name: keep.join(' and ') })))(
  'a project with $name',
  ({ keep }) => {
    const choice = { name: 'acme-shop', scope: 'acme', title: 'Acme Shop', keep };
    const { tree, selection } = prepare(template, choice);
    // These two are made anew, from what is there.
    const written = new Map([...tree].filter(([file]) => !['.env.example', 'pnpm-lock.yaml'].includes(file)));

    test('mentions no variant that was left out, and no engine that only such a variant has', () => {
      const pattern = prunedPattern(selection);
      expect(pattern ? findMentions(written, pattern) : []).toEqual([]);
    });

    test('does not mention the template, but in the record that an upgrade needs', () => {
      expect(findMentions(written, namePattern('stackyard'))).toEqual([]);
    });

    test('has no mark of a region left, and no file imports one that has gone', () => {
      expect(findMentions(written, /^\s*(\/\/|#|<!--) \/?only\b/)).toEqual([]);
      const broken = [...written].flatMap(([file, entry]) =>
        isCode(file) && !file.endsWith('.test.ts')
          ? importsOf(textOf(entry) ?? '').flatMap((specifier) => {
              const target = resolveSpecifier(file, specifier);
              const was = target?.replaceAll('acme-shop', 'stackyard');
              return target && was && template.has(was) && !written.has(target)
                ? [`${file}: ${specifier}`]
                : [];
            })
          : [],
      );
      expect(broken).toEqual([]);
    });
  },
);
