import type { Caller } from './caller.ts';
import type { FunctionRecord } from './deployment.ts';
import { RequestError } from './function-error.ts';
import type { RunResponse } from './messages.ts';
import type { ModuleLoader } from './module-loader.ts';
import type { Runner } from './runner.ts';
import { asFunctionError } from './user-error.ts';

const WRAPPERS = 'convex:/_system/repl/wrappers.js';
const MODULE = 'testQuery.js';

/** Runs the default query of a module that is in no deployment, with the documents of a component. */
export async function runTestQuery(
  runner: Runner,
  loader: ModuleLoader,
  component: string,
  source: string,
  caller: Caller,
): Promise<RunResponse> {
  const server = import.meta.resolve('convex/server');
  const wrappers = `export { queryGeneric as query, internalQueryGeneric as internalQuery } from ${JSON.stringify(server)};\n`;
  const directory = await loader.write([
    { path: MODULE, source: source.replaceAll(WRAPPERS, './_wrappers.js'), environment: 'isolate' },
    { path: '_wrappers.js', source: wrappers, environment: 'isolate' },
  ]);
  try {
    const exports = await loader.load(directory, MODULE);
    if ((exports.default as { isQuery?: boolean } | undefined)?.isQuery !== true) {
      throw new RequestError(400, 'BadTestQuery', 'The module has no query as its default export.');
    }
  } catch (error) {
    if (error instanceof RequestError) throw error;
    return { success: false, message: asFunctionError(error, () => undefined).message, logLines: [] };
  }
  const found: FunctionRecord = {
    name: 'default',
    udfType: 'Query',
    visibility: { kind: 'public' },
    args: null,
    returns: null,
    pos: null,
  };
  return await runner.runModuleQuery({ component, directory, module: 'testQuery', found, caller });
}
