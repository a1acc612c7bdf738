const SETS = new Set([
  ...['cap_add', 'cap_drop', 'expose', 'security_opt', 'dns', 'extra_hosts', 'aliases', 'profiles'],
]);

/** A model without what has no meaning: the order of sets, and extension fields, which the tools drop. */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(comparable);
    const isCommand = items.every((item) => typeof item === 'string');
    return isCommand ? items : items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  if (value === null || typeof value !== 'object') return value;
  // 1.29 prints `networks: { default: {} }` and `test: [NONE]` for what v2 prints as null and `disable: true`.
  if (Object.keys(value).length === 0) return null;
  if ('disable' in value && value.disable === true) return { test: ['NONE'] };
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => !key.startsWith('x-') && !isEmptyHook(key, item))
      .map(([key, item]) => [key, SETS.has(key) && Array.isArray(item) ? [...item].sort() : comparable(item)])
      .sort(([a], [b]) => ((a as string) < (b as string) ? -1 : 1)),
  );
}

/** v2 prints `exec: { command: null }` with every rule of `develop.watch`. */
const isEmptyHook = (key: string, value: unknown): boolean =>
  key === 'exec' && JSON.stringify(value) === '{"command":null}';

/** Each place in which two comparable models differ. */
export function differences(ours: unknown, theirs: unknown, path = ''): string[] {
  if (isObject(ours) && isObject(theirs)) {
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
    return [...keys].flatMap((key) => differences(ours[key], theirs[key], `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
  return a === b ? [] : [`${path}: ours ${a}, theirs ${b}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
