import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
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
const NO_JWT = 'Could not parse JWT: a token is three base64-encoded parts of JSON, separated by dots.';

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
/** What jose throws when the keys did not arrive. */
const unfetched = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']);
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

function invalid(message: string): RequestError {
  return unauthenticated('InvalidAuthHeader', message);
}

function describe(provider: AuthProvider): string {
  const application = `app_id=${provider.applicationID ?? 'none'}`;
  return isCustom(provider)
    ? `CustomJWT(issuer=${provider.issuer}, ${application})`
    : `OIDC(domain=${provider.domain}, ${application})`;
}

/** Verifies tokens of the issuers that `auth.config` names. */
export class Authenticator {
  readonly #keys = new Map<string, Promise<JWTVerifyGetKey>>();

  /** Forgets the keys that were fetched, when the providers change. */
  reset(): void {
    this.#keys.clear();
  }

  async identify(token: string, providers: readonly AuthProvider[]): Promise<Identity> {
    if (token.split('.').length !== 3) {
      throw invalid(NO_JWT);
    }
    let claims: ReturnType<typeof decodeJwt>;
    let header: ReturnType<typeof decodeProtectedHeader>;
    try {
      claims = decodeJwt(token);
      header = decodeProtectedHeader(token);
    } catch {
      throw invalid(NO_JWT);
    }
    const provider = this.#provider(claims, providers);
    const custom = isCustom(provider);
    if (custom && header.kid === undefined) {
      throw invalid("Could not decode token. The JWT is missing a 'kid' (key ID) header.");
    }
    if (claims.iat !== undefined && claims.iat > Date.now() / 1000 + CLOCK_TOLERANCE_SECONDS) {
      throw invalid("Token timing issues: the JWT's 'iat' (issued at) claim lies in the future.");
    }
    const issuer = normalizeIssuer(claims.iss ?? '');
    try {
      const { payload } = await jwtVerify(token, await this.#keySet(provider, issuer), {
        algorithms: custom ? [provider.algorithm] : OIDC_ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['sub', 'exp'],
      });
      return identityOf(payload, custom);
    } catch (error) {
      if (error instanceof RequestError) throw error;
      if (error instanceof errors.JWTExpired)
        throw invalid("Token expired: the JWT's 'exp' claim has passed.");
      if (error instanceof errors.JWKSNoMatchingKey) {
        throw invalid(
          `Could not decode token. The JWT's 'kid' (key ID) header "${header.kid}" matches no key of the provider's JWKS.`,
        );
      }
      if (!(error instanceof errors.JOSEError) || unfetched.has(error.code)) {
        const url = custom ? provider.jwks : issuer;
        throw invalid(
          `Could not decode token. The JWKS of ${url} could not be fetched: check that the URL is accessible from the deployment (${(error as Error).message}).`,
        );
      }
      throw invalid(`Could not decode token. ${error.message}`);
    }
  }

  #provider(claims: ReturnType<typeof decodeJwt>, providers: readonly AuthProvider[]): AuthProvider {
    if (claims.iss === undefined) throw invalid("The JWT has no issuer: its 'iss' claim is missing.");
    const issuer = normalizeIssuer(claims.iss);
    const audiences = [claims.aud ?? []].flat();
    const ofIssuer = providers.filter(
      (candidate) => normalizeIssuer(isCustom(candidate) ? candidate.issuer : candidate.domain) === issuer,
    );
    const found = ofIssuer.find(
      ({ applicationID }) => applicationID == null || audiences.includes(applicationID),
    );
    if (found !== undefined) return found;
    if (ofIssuer.length > 0 && audiences.length === 0) {
      throw invalid("The JWT has no audience: its 'aud' claim is missing.");
    }
    const known = providers.map(describe).join(', ');
    throw unauthenticated(
      'NoAuthProvider',
      `No auth provider found matching the given token (issuer=${claims.iss}, audience=${audiences.join(', ')}). ` +
        `Check your server auth config; configured providers: ${known === '' ? 'none' : known}.`,
    );
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
  const text = await (await fetch(jwks)).text();
  try {
    return createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
  } catch (error) {
    throw invalid(
      `Invalid JWKS response body: it is not valid JSON of a key set (${(error as Error).message}).`,
    );
  }
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
