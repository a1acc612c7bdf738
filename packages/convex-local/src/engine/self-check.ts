import { httpActionGeneric, httpRouter, mutationGeneric, queryGeneric } from 'convex/server';
import { ConvexError, v } from 'convex/values';
import { RequestError } from './function-error.ts';

/**
 * The engine calls functions through what the `convex` package builds into every bundle, which is no public API. This
 * looks, at start, whether the installed version still has what is relied on; it names everything that is missing.
 */
export async function checkConvexPackage(): Promise<void> {
  const missing: string[] = [];
  const expectThat = (what: string, holds: boolean) => {
    if (!holds) missing.push(what);
  };
  const query = queryGeneric({
    args: { n: v.number() },
    handler: async (_ctx, { n }: { n: number }) => n,
  }) as unknown as {
    isQuery?: boolean;
    isPublic?: boolean;
    exportArgs?: () => string;
    exportReturns?: () => string;
    invokeQuery?: (args: string) => Promise<string>;
  };
  expectThat('isQuery', query.isQuery === true);
  expectThat('isPublic', query.isPublic === true);
  expectThat(
    'exportArgs()',
    query.exportArgs?.() ===
      '{"type":"object","value":{"n":{"fieldType":{"type":"number"},"optional":false}}}',
  );
  expectThat('exportReturns()', typeof query.exportReturns === 'function');
  expectThat('invokeQuery()', (await query.invokeQuery?.('[{"n":7}]').catch(() => '')) === '7');
  const mutation = mutationGeneric(async () => {
    throw new ConvexError({ code: 1n });
  }) as unknown as { isMutation?: boolean; invokeMutation?: (args: string) => Promise<string> };
  expectThat('isMutation', mutation.isMutation === true);
  const thrown: unknown = await mutation.invokeMutation?.('[{}]').catch((error: unknown) => error);
  const data = (thrown as { data?: unknown } | undefined)?.data;
  expectThat('the data of a ConvexError', data === '{"code":{"$integer":"AQAAAAAAAAA="}}');
  const router = httpRouter();
  router.route({ path: '/x', method: 'GET', handler: httpActionGeneric(async () => new Response('')) });
  expectThat('httpRouter().lookup()', router.lookup('/x', 'GET')?.[2] === '/x');
  if (missing.length === 0) return;
  throw new RequestError(
    500,
    'CONVEX_LOCAL_PACKAGE',
    `The installed convex package is not the one this was made for: ${missing.join(', ')} changed. Install convex 1.48.0.`,
  );
}
