import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Identity } from '../engine/caller.ts';
import type { AuthProvider } from '../engine/deployment.ts';
import { RequestError } from '../engine/function-error.ts';

const OIDC_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
const CLOCK_TOLERANCE_SECONDS = 5;

/** Standard claims and the names Convex gives them. */
const CLAIM_NAMES: Readonly<Record<string, string>> = {
  given_name: 'givenName',
  family_name: 'familyName',
  preferred_username: 'preferredUsername',
  profile: 'profileUrl',
  picture: 'pictureUrl',
  website: 'websiteUrl',
  email_verified: 'emailVerified',
  phone_number: 'phoneNumber',
  phone_number_verified: 'phoneNumberVerified',
  zoneinfo: 'timezone',
  locale: 'language',
  updated_at: 'updatedAt',
};
const HIDDEN_CLAIMS = new Set(['sub', 'iss', 'aud', 'exp', 'nbf', 'iat', 'jti']);

function normalizeIssuer(domain: string): string {
  const url = /^https?:\/\//.test(domain) ? domain : `https://${domain}`;
  return url.replace(/\/$/, '');
}

function isCustom(provider: AuthProvider): provider is Extract<AuthProvider, { type: 'customJwt' }> {
  return 'type' in provider && provider.type === 'customJwt';
}

function unauthenticated(code: string, message: string): RequestError {
  return new RequestError(401, code, message);
}

/** Verifies tokens of the issuers that `auth.config` names. */
export class Authenticator {
  readonly #keys = new Map<string, Promise<JWTVerifyGetKey>>();

  /** Forgets the keys that were fetched, when the providers change. */
  reset(): void {
    this.#keys.clear();
  }

  async identify(token: string, providers: readonly AuthProvider[]): Promise<Identity> {
    let claims: ReturnType<typeof decodeJwt>;
    try {
      claims = decodeJwt(token);
    } catch {
      throw unauthenticated('InvalidAuthHeader', 'Could not parse as id token');
    }
    const issuer = normalizeIssuer(claims.iss ?? '');
    const audiences = [claims.aud ?? []].flat();
    const provider = providers.find((candidate) => {
      const expected = normalizeIssuer(isCustom(candidate) ? candidate.issuer : candidate.domain);
      if (expected !== issuer) return false;
      return candidate.applicationID === null || audiences.includes(candidate.applicationID);
    });
    if (provider === undefined) {
      const known = providers.map((candidate) =>
        isCustom(candidate)
          ? `CustomJWT(issuer=${candidate.issuer}, app_id=${candidate.applicationID})`
          : `OIDC(domain=${candidate.domain}, app_id=${candidate.applicationID})`,
      );
      throw unauthenticated(
        'NoAuthProvider',
        `No auth provider found matching the given token (no providers configured?). Check your server auth config: ` +
          `${known.length === 0 ? 'no providers' : known.join(', ')}.`,
      );
    }
    try {
      const { payload } = await jwtVerify(token, await this.#keySet(provider, issuer), {
        algorithms: isCustom(provider) ? [provider.algorithm] : OIDC_ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'exp'],
      });
      return identityOf(payload, isCustom(provider));
    } catch (error) {
      if (error instanceof RequestError) throw error;
      const reason = error instanceof errors.JOSEError ? error.message : String(error);
      const code = error instanceof errors.JWTExpired ? 'ExpiredToken' : 'InvalidAuthHeader';
      throw unauthenticated(code, `Could not verify token: ${reason}`);
    }
  }

  #keySet(provider: AuthProvider, issuer: string): Promise<JWTVerifyGetKey> {
    const name = isCustom(provider) ? provider.jwks : issuer;
    let keys = this.#keys.get(name);
    if (keys === undefined) {
      keys = isCustom(provider) ? customKeys(provider.jwks) : discoverKeys(issuer);
      // A failed attempt is not kept: the issuer may answer the next time.
      keys.catch(() => this.#keys.delete(name));
      this.#keys.set(name, keys);
    }
    return keys;
  }
}

async function customKeys(jwks: string): Promise<JWTVerifyGetKey> {
  if (!jwks.startsWith('data:')) return createRemoteJWKSet(new URL(jwks));
  return createLocalJWKSet((await (await fetch(jwks)).json()) as JSONWebKeySet);
}

async function discoverKeys(issuer: string): Promise<JWTVerifyGetKey> {
  const address = `${issuer}/.well-known/openid-configuration`;
  const response = await fetch(address, { signal: AbortSignal.timeout(10_000) }).catch((error: Error) => {
    throw unauthenticated(
      'AuthProviderUnreachable',
      `Auth provider discovery of ${issuer} failed: ${error.message}`,
    );
  });
  if (!response.ok) {
    throw unauthenticated(
      'AuthProviderDiscoveryFailed',
      `Auth provider discovery of ${issuer} failed: ${response.status}`,
    );
  }
  const { jwks_uri: jwks } = (await response.json()) as { jwks_uri?: string };
  if (jwks === undefined)
    throw unauthenticated('AuthProviderDiscoveryFailed', `${address} names no jwks_uri`);
  return createRemoteJWKSet(new URL(jwks));
}

function identityOf(claims: Record<string, unknown>, custom: boolean): Identity {
  const subject = String(claims.sub);
  const issuer = String(claims.iss);
  const identity: Record<string, unknown> = { tokenIdentifier: `${issuer}|${subject}`, issuer, subject };
  for (const [name, value] of Object.entries(claims)) {
    if (HIDDEN_CLAIMS.has(name) || value === null || value === undefined) continue;
    const known = CLAIM_NAMES[name];
    if (custom && known !== undefined) identity[known] = value;
    if (custom || known === undefined) flatten(identity, name, value);
    else identity[known] = name === 'updated_at' ? String(value) : value;
  }
  return identity as Identity;
}

/** Custom claims that are objects are reached by dotted names. */
function flatten(identity: Record<string, unknown>, name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [inner, part] of Object.entries(value)) flatten(identity, `${name}.${inner}`, part);
    return;
  }
  identity[name] = value;
}
