/** A function inside a component: `messages:send`, `admin/users:default`. */
export interface FunctionPath {
  readonly module: string;
  readonly name: string;
}

/** Reads `messages:send`, `messages.js:send`, `messages` (its default export). */
export function parseFunctionPath(text: string): FunctionPath {
  const colon = text.lastIndexOf(':');
  const module = colon === -1 ? text : text.slice(0, colon);
  const name = colon === -1 ? 'default' : text.slice(colon + 1);
  return { module: module.replace(/\.js$/, '').replace(/^\/+/, ''), name: name === '' ? 'default' : name };
}

/** The one spelling under which a function is known. */
export function formatFunctionPath({ module, name }: FunctionPath): string {
  return `${module}:${name}`;
}

/** The spelling for people, where a default export goes without its name. */
export function displayFunctionPath({ module, name }: FunctionPath): string {
  return name === 'default' ? module : `${module}:${name}`;
}
