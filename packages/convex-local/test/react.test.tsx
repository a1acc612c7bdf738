import path from 'node:path';
import { ConvexHttpClient } from 'convex/browser';
import {
  Authenticated,
  ConvexProvider,
  ConvexProviderWithAuth,
  ConvexReactClient,
  Unauthenticated,
  useAction,
  useConvexConnectionState,
  useMutation,
  usePaginatedQuery,
  useQuery,
} from 'convex/react';
import { anyApi, type FunctionReference, type PaginationOptions, type PaginationResult } from 'convex/server';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { type ReactNode, useState, useSyncExternalStore } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { RunningConvexLocal } from '../src/index.ts';
import { Project, startDeployment, temporaryFolder } from './project.ts';
import { SYNC_APP } from './sync-app.ts';

// React asks for a document when it is loaded, so before anything else here runs.
await vi.hoisted(async () => {
  const { Window } = await import('happy-dom');
  const window = new Window();
  Object.assign(globalThis, { window, document: window.document });
});

type Args<T> = T & Record<string, unknown>;
type Query<A extends Record<string, unknown>, R> = FunctionReference<'query', 'public', A, R>;
const chat = anyApi.chat as unknown as {
  list: Query<{ channel: string }, string[]>;
  me: Query<Record<string, never>, { name: string } | null>;
  page: Query<
    { channel: string; paginationOpts: PaginationOptions },
    PaginationResult<Args<{ text: string }>>
  >;
  broken: Query<Record<string, never>, string>;
  send: FunctionReference<'mutation', 'public', { channel: string; text: string }>;
  slow: FunctionReference<'action', 'public', { ms: number }, number>;
};

const ISSUER = 'https://issuer.test/react';
const { privateKey, publicKey } = await generateKeyPair('RS256');
const keys = { keys: [{ ...(await exportJWK(publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' }] };
const jwks = `data:application/json;base64,${btoa(JSON.stringify(keys))}`;

const folder = temporaryFolder();
let deployment: RunningConvexLocal;
let client: ConvexReactClient;
let root: Root;

beforeAll(async () => {
  deployment = await startDeployment(path.join(folder.path, 'data'));
  await new Project(path.join(folder.path, 'app'), {
    ...SYNC_APP,
    'auth.config.ts': `export default { providers: [{ type: 'customJwt', issuer: '${ISSUER}', jwks: '${jwks}', algorithm: 'RS256' }] };`,
  }).push(deployment.url);
});

beforeEach(() => {
  client = new ConvexReactClient(deployment.url, { logger: false, unsavedChangesWarning: false });
  root = createRoot(document.body.appendChild(document.createElement('main')));
});

afterEach(async () => {
  root.unmount();
  document.body.replaceChildren();
  await client.close();
});

afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const show = (page: ReactNode) => root.render(<ConvexProvider client={client}>{page}</ConvexProvider>);
const text = () => document.body.textContent;
const shows = (expected: string | RegExp) =>
  vi.waitFor(
    () => (typeof expected === 'string' ? expect(text()).toBe(expected) : expect(text()).toMatch(expected)),
    20_000,
  );
const click = (label: string) => {
  const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === label);
  button!.click();
};
const send = async (channel: string, ...texts: string[]) => {
  const http = new ConvexHttpClient(deployment.url, { logger: false });
  for (const line of texts) await http.mutation(chat.send, { channel, text: line });
};

function List({ seen }: { seen: unknown[] }) {
  const list = useQuery(chat.list, { channel: 'query' });
  const skipped = useQuery(chat.list, 'skip');
  seen.push(list);
  return `${list?.join() ?? 'loading'} ${String(skipped)}`;
}

test('useQuery is undefined, then the result, then what others change; "skip" asks nothing', async () => {
  const seen: unknown[] = [];
  show(<List seen={seen} />);
  await shows(' undefined');
  expect(seen[0]).toBeUndefined();
  await send('query', 'one', 'two');
  await shows('one,two undefined');
});

function Switch() {
  const [channel, setChannel] = useState('left');
  const list = useQuery(chat.list, { channel });
  return (
    <button type="button" onClick={() => setChannel('right')}>
      {`${channel}: ${list?.join() ?? 'loading'}`}
    </button>
  );
}

test('useQuery follows its arguments', async () => {
  await send('left', 'l');
  await send('right', 'r');
  show(<Switch />);
  await shows('left: l');
  click('left: l');
  await shows('right: r');
});

function Broken() {
  return useQuery(chat.broken, {});
}

test('a query that throws breaks the component that reads it, with the words of the function', async () => {
  const problems: unknown[] = [];
  const own = createRoot(document.createElement('div'), {
    onUncaughtError: (error) => problems.push((error as Error).message),
  });
  own.render(
    <ConvexProvider client={client}>
      <Broken />
    </ConvexProvider>,
  );
  await vi.waitFor(
    () => expect(problems).toEqual([expect.stringContaining('Uncaught Error: broken for good')]),
    20_000,
  );
  own.unmount();
});

function Chat({ seen }: { seen: Set<string> }) {
  const list = useQuery(chat.list, { channel: 'hope' });
  const post = useMutation(chat.send).withOptimisticUpdate((store, { channel, text: line }) => {
    store.setQuery(chat.list, { channel }, [...(store.getQuery(chat.list, { channel }) ?? []), `${line}?`]);
  });
  const refused = () => post({ channel: 'hope', text: 7 as unknown as string }).catch(() => {});
  seen.add(list?.join() ?? '');
  return (
    <>
      {list === undefined ? 'loading' : `[${list.join()}]`}
      <button type="button" onClick={() => post({ channel: 'hope', text: 'yes' })}>
        good
      </button>
      <button type="button" onClick={refused}>
        bad
      </button>
    </>
  );
}

test('an optimistic update shows at once, is replaced by the result, and goes when the mutation fails', async () => {
  const seen = new Set<string>();
  show(<Chat seen={seen} />);
  await shows('[]goodbad');
  click('good');
  await shows('[yes]goodbad');
  click('bad');
  await vi.waitFor(() => expect(seen).toContain('yes,7?'), 20_000);
  await shows('[yes]goodbad');
  expect(seen).toContain('yes?');
});

function Pages() {
  const { results, status, loadMore } = usePaginatedQuery(
    chat.page,
    { channel: 'pages' },
    { initialNumItems: 2 },
  );
  return (
    <button type="button" onClick={() => loadMore(2)}>
      {`${status}: ${results.map((one) => one.text).join('')}`}
    </button>
  );
}

test('usePaginatedQuery loads page by page, keeps what it has, and stays live', async () => {
  await send('pages', 'a', 'b', 'c', 'd', 'e');
  show(<Pages />);
  await shows('CanLoadMore: ab');
  click('CanLoadMore: ab');
  await shows('CanLoadMore: abcd');
  click('CanLoadMore: abcd');
  await shows('Exhausted: abcde');
  await send('pages', 'f');
  await shows('Exhausted: abcdef');
});

function Act() {
  const [answer, setAnswer] = useState('none');
  const wait = useAction(chat.slow);
  const { isWebSocketConnected } = useConvexConnectionState();
  return (
    <button type="button" onClick={async () => setAnswer(String(await wait({ ms: 3 })))}>
      {`${isWebSocketConnected ? 'connected' : 'away'}, ${answer}`}
    </button>
  );
}

test('useAction answers, and the connection is known', async () => {
  show(<Act />);
  await shows('connected, none');
  click('connected, none');
  await shows('connected, 3');
});

const signedIn = new EventTarget();
let token = '';
const fetchAccessToken = async () => token;

const subscribe = (changed: () => void) => {
  signedIn.addEventListener('change', changed);
  return () => signedIn.removeEventListener('change', changed);
};

/** Stands for the hook of an authentication library. */
function useSession() {
  const isAuthenticated = useSyncExternalStore(subscribe, () => token !== '');
  return { isLoading: false, isAuthenticated, fetchAccessToken };
}

function Me() {
  return useQuery(chat.me, {})?.name ?? 'nobody';
}

test('a provider with authentication signs in and out, and queries see it', async () => {
  root.render(
    <ConvexProviderWithAuth client={client} useAuth={useSession}>
      <Authenticated>
        in: <Me />
      </Authenticated>
      <Unauthenticated>
        out: <Me />
      </Unauthenticated>
    </ConvexProviderWithAuth>,
  );
  await shows('out: nobody');
  token = await new SignJWT({ name: 'Ann' })
    .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
    .setSubject('user-1')
    .setIssuer(ISSUER)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);
  signedIn.dispatchEvent(new Event('change'));
  await shows('in: Ann');
  token = '';
  signedIn.dispatchEvent(new Event('change'));
  await shows('out: nobody');
});
