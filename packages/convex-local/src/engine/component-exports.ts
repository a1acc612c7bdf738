import type { DefinitionRecord } from './deployment.ts';

interface Branch {
  readonly functions: Map<string, string>;
  readonly branches: Map<string, Branch>;
}

/** The public functions of a component as a tree of modules; a leaf is the path of a function. */
export function publicTree(definition: DefinitionRecord): Branch {
  const empty = (): Branch => ({ functions: new Map(), branches: new Map() });
  const root = empty();
  for (const [path, module] of Object.entries(definition.modules)) {
    const udfModule = path.replace(/\.js$/, '');
    for (const { name, visibility } of module.functions) {
      if (visibility.kind !== 'public') continue;
      let branch = root;
      for (const step of udfModule.split('/')) {
        if (!branch.branches.has(step)) branch.branches.set(step, empty());
        branch = branch.branches.get(step)!;
      }
      branch.functions.set(name, `${udfModule}:${name}`);
    }
  }
  return root;
}

/** The tree as code generation reads it: it makes the types of `components` from this. */
export function definitionExports({ functions, branches }: Branch): { type: 'branch'; branch: unknown[] } {
  return {
    type: 'branch',
    branch: [
      ...Array.from(branches, ([name, branch]) => [name, definitionExports(branch)]),
      ...Array.from(functions, ([name, path]) => [
        name,
        { type: 'leaf', leaf: `_reference/function/${path}` },
      ]),
    ],
  };
}

/** The tree as one mount of the component offers it. */
export function mountExports(component: string, { functions, branches }: Branch): Record<string, unknown> {
  return {
    ...Object.fromEntries(
      Array.from(branches, ([name, branch]) => [
        name,
        { type: 'branch', children: mountExports(component, branch) },
      ]),
    ),
    ...Object.fromEntries(
      Array.from(functions, ([name, udfPath]) => [
        name,
        { type: 'leaf', resource: { type: 'function', path: { component, udfPath } } },
      ]),
    ),
  };
}
