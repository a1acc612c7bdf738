import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';
import { Problem } from './problem.ts';

export interface SafeFetchOptions {
  /** Finds the addresses of a host; the system's resolver where absent. */
  readonly lookup?: (host: string) => Promise<readonly { address: string; family: number }[]>;
  /** Lets addresses through that are not public. For tests of what comes after that check. */
  readonly allow?: (address: string) => boolean;
  readonly timeoutMs?: number;
}

export interface Fetched extends AsyncDisposable {
  readonly body: AsyncIterable<Uint8Array>;
  readonly type: string | undefined;
  /** From Content-Disposition, else the last part of the path. */
  readonly name: string;
  /** Where it was found after all redirects. */
  readonly url: string;
}

const MAX_REDIRECTS = 5;
/** The caller did not choose the site's name for the document, so it is cut rather than refused. */
const MAX_NAME = 255;
/** For all hops and the whole body. */
const TOTAL_MS = 540_000;

/**
 * Fetches a document from a URL that a stranger gave. Only http and https; every hop's host is resolved once, each of
 * its addresses must be public, and the connection goes to exactly the address that was checked, so that a name that
 * changes in between changes nothing. No credentials, cookies or proxies take part.
 */
export async function safeFetch(given: string, options: SafeFetchOptions = {}): Promise<Fetched> {
  const { timeoutMs = 30_000 } = options;
  // One that gives a byte now and then never runs into the other limit.
  const signal = AbortSignal.timeout(TOTAL_MS);
  let url = parse(given);
  for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
    const address = await resolve(url, options);
    // undici connects to what this answers, whatever the name says by now.
    const pinned: LookupFunction = (_host, { all }, callback) =>
      all ? callback(null, [address]) : callback(null, address.address, address.family);
    const agent = new Agent({
      connect: { lookup: pinned, timeout: 10_000 },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      maxResponseSize: -1,
    });
    try {
      const answer = await request(url, {
        dispatcher: agent,
        method: 'GET',
        signal,
        headers: { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'stackyard-ingestion' },
      });
      const { statusCode, headers } = answer;
      // A body that is given up says so in an event, and without a listener that would end the process.
      answer.body.on('error', () => {});
      const location = headers.location;
      if (statusCode >= 300 && statusCode < 400 && typeof location === 'string') {
        answer.body.destroy();
        await agent.destroy();
        url = parse(new URL(location, url).href);
        continue;
      }
      if (statusCode !== 200) {
        answer.body.destroy();
        throw new Problem('API_URL_FAILED', `The URL answered with status ${statusCode}`);
      }
      return {
        body: guarded(answer.body),
        type: typeof headers['content-type'] === 'string' ? headers['content-type'] : undefined,
        name: nameOf(headers['content-disposition'], url),
        url: url.href,
        [Symbol.asyncDispose]: () => agent.destroy(),
      };
    } catch (cause) {
      await agent.destroy();
      if (cause instanceof Problem) throw cause;
      throw new Problem('API_URL_FAILED', 'The URL could not be fetched', { cause });
    }
  }
  throw new Problem('API_URL_REFUSED', `The URL redirects more than ${MAX_REDIRECTS} times`);
}

function parse(text: string): URL {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Problem('API_URL_REFUSED', 'The URL is not one of http or https');
  if (url.username || url.password) throw new Problem('API_URL_REFUSED', 'The URL holds credentials');
  return url;
}

async function resolve(
  url: URL,
  { lookup, allow }: SafeFetchOptions,
): Promise<{ address: string; family: number }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly { address: string; family: number }[];
  if (ipaddr.isValid(host)) {
    addresses = [{ address: host, family: ipaddr.parse(host).kind() === 'ipv6' ? 6 : 4 }];
  } else {
    try {
      addresses = await (lookup?.(host) ?? systemLookup(host, { all: true }));
    } catch (cause) {
      throw new Problem('API_URL_FAILED', 'The host of the URL is not known', { cause });
    }
  }
  const [first] = addresses;
  // One private address among several is an attempt, not an accident.
  if (!first || !addresses.every(({ address }) => isPublic(address) || allow?.(address))) {
    throw new Problem('API_URL_REFUSED', 'The URL does not lead to a public address');
  }
  return first;
}

/** What is given out for the internet at all; `::127.0.0.1` as URLs write it, `::7f00:1`, is outside. */
const GLOBAL_IPV6 = ipaddr.parseCIDR('2000::/3');

/** True for addresses of the open internet only, also behind IPv6 forms that carry an IPv4 address. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(GLOBAL_IPV6));
}

async function* guarded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new Problem('API_URL_FAILED', 'The URL broke off before its end', { cause });
  }
}

function nameOf(disposition: string | string[] | undefined, url: URL): string {
  const text = typeof disposition === 'string' ? disposition : '';
  const encoded = /filename\*=(?:UTF-8|utf-8)''([^;]+)/.exec(text)?.[1];
  const plain = /filename="([^"]+)"/.exec(text)?.[1] ?? /filename=([^;\s]+)/.exec(text)?.[1];
  const last = url.pathname.split('/').findLast((part) => part !== '');
  return decoded(encoded ?? plain ?? last ?? url.hostname).slice(0, MAX_NAME);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
