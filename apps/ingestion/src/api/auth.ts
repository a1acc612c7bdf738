import type { FastifyInstance, FastifyRequest } from 'fastify';
import { findTenant, type Identity, identify } from '../store/tenants.ts';
import { isOfAnotherPage, isOwnHost } from './browser.ts';
import type { ApiContext } from './context.ts';
import { Problem } from './problem.ts';

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity | undefined;
  }
}

/** A revoked key, or a changed limit, is noticed after this. */
const REMEMBER_MS = 5000;

/** Finds out whose request it is, and holds each tenant to its requests per minute. */
export function authentication(app: FastifyInstance, context: ApiContext): void {
  const { client, anonymousTenant, allowedHosts = [] } = context;
  const known = new Map<string | undefined, { identity: Identity | undefined; until: number }>();
  const buckets = new Map<string, { tokens: number; at: number }>();
  app.decorateRequest('identity', undefined);

  async function lookUp(key: string | undefined): Promise<Identity | undefined> {
    if (key !== undefined) return identify(client, key);
    const tenant = anonymousTenant === undefined ? undefined : await findTenant(client, anonymousTenant);
    return tenant && { tenant, admin: true };
  }

  async function remembered(key: string | undefined): Promise<Identity | undefined> {
    const entry = known.get(key);
    if (entry && entry.until > Date.now()) return entry.identity;
    const identity = await lookUp(key);
    if (known.size > 10_000) known.clear();
    known.set(key, { identity, until: Date.now() + REMEMBER_MS });
    return identity;
  }

  function spend({ tenant }: Identity): void {
    const now = Date.now();
    const bucket = buckets.get(tenant.id) ?? { tokens: tenant.maxRequests, at: now };
    const refill = ((now - bucket.at) / 60_000) * tenant.maxRequests;
    const tokens = Math.min(tenant.maxRequests, bucket.tokens + refill);
    // What is refused costs nothing: who asks without a pause still gets the tenant's share.
    buckets.set(tenant.id, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (tokens >= 1) return;
    const retryAfterSeconds = Math.ceil(60 / tenant.maxRequests);
    throw new Problem('API_RATE_LIMITED', `More than ${tenant.maxRequests} requests in a minute`, {
      retryAfterSeconds,
    });
  }

  app.addHook('onRequest', async (request) => {
    if (!request.url.startsWith('/v1/')) return;
    const key = keyOf(request);
    if (key === undefined) {
      if (!isOwnHost(request.headers.host, allowedHosts)) {
        throw new Problem('API_HOST_REFUSED', 'Under this host name, requests need a key');
      }
      if (isOfAnotherPage(request.headers))
        throw new Problem('API_FORBIDDEN', 'Pages of other sites need a key');
    }
    const identity = await remembered(key);
    if (!identity) throw new Problem('API_UNAUTHENTICATED', 'No valid API key came with the request');
    spend(identity);
    request.identity = identity;
  });
}

/** Undefined where none came; a header without a key is a wrong one. */
function keyOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization !== undefined) return /^Bearer\s+(\S+)$/i.exec(authorization)?.[1] ?? '';
  const header = request.headers['x-api-key'];
  return typeof header === 'string' ? header : undefined;
}

/** The tenant of the request. */
export function tenantOf(request: FastifyRequest): string {
  return identityOf(request).tenant.id;
}

export function identityOf({ identity }: FastifyRequest): Identity {
  if (!identity) throw new Problem('API_UNAUTHENTICATED', 'No valid API key came with the request');
  return identity;
}
