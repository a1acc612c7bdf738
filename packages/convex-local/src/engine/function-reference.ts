import { FunctionError } from './function-error.ts';
import { formatFunctionPath, parseFunctionPath } from './function-path.ts';

/** How code names the function it calls; exactly one of the three is there. */
export interface FunctionAddress {
  readonly name?: string;
  readonly reference?: string;
  readonly functionHandle?: string;
}

export interface ResolvedFunction {
  readonly component: string;
  readonly path: string;
}

const HANDLE = 'function://';
const CHILD = '_reference/childComponent/';

export function formatHandle({ component, path }: ResolvedFunction): string {
  return `${HANDLE}${component};${path}`;
}

/** Finds the function that code in `component` means. */
export function resolveAddress(component: string, address: FunctionAddress): ResolvedFunction {
  if (address.functionHandle !== undefined) {
    const text = address.functionHandle.slice(HANDLE.length);
    const semicolon = text.indexOf(';');
    if (!address.functionHandle.startsWith(HANDLE) || semicolon === -1) {
      throw new FunctionError(`Invalid function handle: ${address.functionHandle}`);
    }
    return { component: text.slice(0, semicolon), path: text.slice(semicolon + 1) };
  }
  if (address.reference?.startsWith(CHILD)) {
    const [child, ...rest] = address.reference.slice(CHILD.length).split('/');
    const name = rest.pop();
    if (child === undefined || name === undefined || rest.length === 0) {
      throw new FunctionError(`${address.reference} does not name a function of a component`);
    }
    return {
      component: component === '' ? child : `${component}/${child}`,
      path: formatFunctionPath({ module: rest.join('/'), name }),
    };
  }
  if (address.name === undefined) throw new FunctionError('Unknown kind of function reference');
  return { component, path: formatFunctionPath(parseFunctionPath(address.name)) };
}
