import type { ValidatorJSON } from 'convex/values';
import type { ActionScope } from './action-scope.ts';
import type { Caller } from './caller.ts';
import type { Deployment, FunctionRecord } from './deployment.ts';
import { currentCall } from './environment.ts';
import { FunctionError } from './function-error.ts';
import { displayFunctionPath, parseFunctionPath } from './function-path.ts';
import type { ModuleLoader } from './module-loader.ts';
import type { TransactionScope } from './transaction-scope.ts';
import { asFunctionError } from './user-error.ts';
import { type TableOfId, validate } from './validator.ts';

export type FunctionKind = 'query' | 'mutation' | 'action';

interface Registered {
  invokeQuery?(args: string): Promise<string>;
  invokeMutation?(args: string): Promise<string>;
  invokeAction?(requestId: string, args: string): Promise<string>;
}

const TYPES = { query: 'Query', mutation: 'Mutation', action: 'Action' } as const;
const MAX_RESULT_BYTES = 16 * 1024 * 1024;
const MAX_ARGUMENT_BYTES = 16 * 1024 * 1024;

/** Finds, checks and calls the functions of the deployment. */
export class Functions {
  readonly #loader: ModuleLoader;
  readonly #deployment: () => Deployment;
  readonly #tableOf: (component: string) => TableOfId;
  readonly #loaded = new Set<string>();
  readonly #validators = new WeakMap<
    FunctionRecord,
    { args: ValidatorJSON | null; returns: ValidatorJSON | null }
  >();

  constructor(loader: ModuleLoader, deployment: () => Deployment, tableOf: (component: string) => TableOfId) {
    this.#loader = loader;
    this.#deployment = deployment;
    this.#tableOf = tableOf;
  }

  /** The function at a path; throws Convex's messages where it is missing, hidden or of another kind. */
  find(component: string, path: string, wanted: FunctionKind | 'any', caller: Caller): FunctionRecord {
    const parsed = parseFunctionPath(path);
    const shown = displayFunctionPath(parsed);
    const found = this.#deployment().function(component, parsed.module, parsed.name);
    const unavailable = this.#deployment().module(component, parsed.module)?.unavailable;
    if (unavailable !== undefined) throw new FunctionError(`${shown} cannot run: ${unavailable}`);
    const hidden = found?.visibility.kind !== 'public' || parsed.module.startsWith('betterAuth/');
    if (found === undefined || (!caller.admin && hidden)) {
      const what = caller.admin ? 'function' : 'public function';
      throw new FunctionError(
        `Could not find ${what} for '${shown}'. Did you forget to run \`npx convex dev\` or \`npx convex deploy\`?`,
      );
    }
    if (wanted !== 'any' && found.udfType !== TYPES[wanted]) {
      const article = wanted === 'action' ? 'an' : 'a';
      throw new FunctionError(
        `Trying to execute ${shown} as ${TYPES[wanted]}, but it is defined as ${found.udfType}. ` +
          `Is it registered with \`${found.udfType.toLowerCase()}\` and called as ${article} ${wanted}?`,
      );
    }
    return found;
  }

  #validatorsOf(found: FunctionRecord) {
    let validators = this.#validators.get(found);
    if (validators === undefined) {
      const parse = (json: string | null) => (json === null ? null : (JSON.parse(json) as ValidatorJSON));
      validators = { args: parse(found.args), returns: parse(found.returns) };
      this.#validators.set(found, validators);
    }
    return validators;
  }

  /** Makes sure that the code of a function is loaded. An error in it shows when the function is called. */
  async load(component: string, path: string): Promise<void> {
    const definition = this.#deployment().definition(component);
    if (definition === undefined) return;
    const { module } = parseFunctionPath(path);
    const file = `${definition.directory}/${module}`;
    if (this.#loaded.has(file)) return;
    this.#loaded.add(file);
    await this.#loader.load(definition.directory, `${module}.js`).catch(() => {});
  }

  /** Calls a function in its scope and returns its result as JSON text. */
  async call(
    component: string,
    path: string,
    found: FunctionRecord,
    args: unknown,
    scope: TransactionScope | ActionScope,
  ): Promise<string> {
    const { directory } = this.#deployment().definition(component)!;
    return await this.callIn(directory, component, path, found, args, scope);
  }

  /** The same for code in a given folder. */
  async callIn(
    directory: string,
    component: string,
    path: string,
    found: FunctionRecord,
    args: unknown,
    scope: TransactionScope | ActionScope,
  ): Promise<string> {
    const { module, name } = parseFunctionPath(path);
    const validators = this.#validatorsOf(found);
    const tableOf = this.#tableOf(component);
    if (validators.args !== null && validators.args.type !== 'any') {
      const problem = validate(validators.args, args, tableOf);
      if (problem !== undefined) throw new FunctionError(`ArgumentValidationError: ${problem}\n`);
    }
    const argsText = JSON.stringify([args]);
    if (argsText.length > MAX_ARGUMENT_BYTES)
      throw new FunctionError('Arguments are too large (maximum size 16 MiB)');
    let result: string;
    try {
      result = await currentCall.run(scope, async () => {
        const environment = this.#deployment().module(component, module)?.environment;
        const exports = await this.#loader.load(directory, `${module}.js`, environment);
        const registered = exports[name] as Registered;
        if (found.udfType === 'Query') return await registered.invokeQuery!(argsText);
        if (found.udfType === 'Mutation') return await registered.invokeMutation!(argsText);
        return await registered.invokeAction!('', argsText);
      });
    } catch (thrown) {
      throw scope.fatal ?? asFunctionError(thrown, this.#loader.originOf(directory));
    }
    if (scope.fatal !== undefined) throw scope.fatal;
    if (result.length > MAX_RESULT_BYTES) {
      const size = (result.length / 1024 / 1024).toFixed(2);
      throw new FunctionError(
        `Function ${displayFunctionPath({ module, name })} return value is too large (${size} MiB > maximum size 16 MiB)`,
      );
    }
    if (validators.returns !== null && validators.returns.type !== 'any') {
      const problem = validate(validators.returns, JSON.parse(result), tableOf);
      if (problem !== undefined) throw new FunctionError(`ReturnsValidationError: ${problem}\n`);
    }
    return result;
  }
}
