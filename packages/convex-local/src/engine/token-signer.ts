import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, sign } from 'node:crypto';
import type { Store } from '../storage/store.ts';
import { host } from './environment.ts';
import { FunctionError } from './function-error.ts';

const KEYS = '_signing_keys';
const MAX_SECONDS = 60 * 60;
const RESERVED = new Set(['iss', 'iat', 'exp', 'nbf']);

/** What `ctx.auth.signJwt` was asked for. */
export interface TokenRequest {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly expiresInSeconds?: unknown;
}

/** Signs tokens with the deployment's own key, which is made when it is first needed and kept among the documents. */
export class TokenSigner {
  readonly #store: Store;
  readonly #cloudUrl: string;

  constructor(store: Store, cloudUrl: string) {
    this.#store = store;
    this.#cloudUrl = cloudUrl;
  }

  /** The private key, inside the open transaction. */
  #key(): { kid: string; jwk: JsonWebKey } {
    const table = this.#store.ensureTable('', KEYS);
    let [entry] = table.documents.values();
    if (entry === undefined) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const id = this.#store.insert(table, { jwk: privateKey.export({ format: 'jwk' }) }, host.now());
      entry = table.documents.get(id)!;
    }
    return { kid: entry._id, jwk: entry.jwk as JsonWebKey };
  }

  /** Signs a token for a component, inside the open transaction. */
  sign(component: string, { claims = {}, expiresInSeconds }: TokenRequest): string {
    const seconds = expiresInSeconds;
    if (typeof seconds !== 'number' || !(seconds >= 1 && seconds <= MAX_SECONDS)) {
      throw new FunctionError(`expiresInSeconds must be between 1 and ${MAX_SECONDS}, not ${seconds}`);
    }
    const reserved = Object.keys(claims).filter(
      (name) => RESERVED.has(name) || /^(?:convex|cvx)/i.test(name),
    );
    if (reserved.length > 0) {
      throw new FunctionError(`Claims that Convex sets or keeps for itself: ${reserved.join(', ')}`);
    }
    const { kid, jwk } = this.#key();
    const now = Math.floor(host.now() / 1000);
    const iss = component === '' ? this.#cloudUrl : `${this.#cloudUrl}/components/${component}`;
    const text = [
      { alg: 'ES256', typ: 'JWT', kid },
      { ...claims, iss, iat: now, exp: now + Math.floor(seconds) },
    ]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const key = createPrivateKey({ key: jwk, format: 'jwk' });
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  }

  /** The public keys, by which anybody can check a token; inside the open transaction. */
  publicKeys(): { keys: readonly JsonWebKey[] } {
    const { kid, jwk } = this.#key();
    const key = createPublicKey(createPrivateKey({ key: jwk, format: 'jwk' })).export({ format: 'jwk' });
    return { keys: [{ ...key, kid, alg: 'ES256', use: 'sig' }] };
  }
}
