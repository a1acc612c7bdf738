import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

// What keeps pages of other sites, which a person's browser shows, from an API that asks for no key.

/**
 * A browser says of each request where it comes from, and sends a form to anywhere without asking. To addresses that it
 * does not trust it tells the origin only.
 */
export function isOfAnotherPage(headers: IncomingHttpHeaders): boolean {
  const { origin, host } = headers;
  if (origin !== undefined && URL.parse(origin)?.host !== host) return true;
  return headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site';
}

/**
 * A page can have its own name lead to this machine, and is of the same origin then (DNS rebinding). That cannot be done
 * with an address or `localhost`; other names count where they are allowed, with all below them where they begin with a dot.
 */
export function isOwnHost(host: string | undefined, allowed: readonly string[]): boolean {
  const name = URL.parse(`http://${host}`)?.hostname ?? '';
  if (isIP(name.replace(/^\[|\]$/g, '')) !== 0) return true;
  return ['localhost', '.localhost', ...allowed].some((own) =>
    own.startsWith('.') ? name.endsWith(own) || name === own.slice(1) : name === own,
  );
}
