import type { IncomingMessage } from 'node:http';
import type { Caller } from '../engine/caller.ts';
import type { AuthProvider } from '../engine/deployment.ts';
import { RequestError } from '../engine/function-error.ts';
import { asIdentity, bareKey, type CheckKey, splitAdminAuth } from './admin-key.ts';
import type { Authenticator } from './authenticator.ts';
import type { EngineHost } from './engine-host.ts';

/** Decides who a request comes from. */
export class Access {
  readonly #checkKey: CheckKey;
  readonly #authenticator: Authenticator;
  readonly #host: EngineHost;
  readonly #log: (line: string) => void;

  constructor(
    checkKey: CheckKey,
    authenticator: Authenticator,
    host: EngineHost,
    log: (line: string) => void,
  ) {
    this.#checkKey = checkKey;
    this.#authenticator = authenticator;
    this.#host = host;
    this.#log = log;
  }

  async admin(key: string, impersonating?: Record<string, unknown>): Promise<Caller & { readOnly: boolean }> {
    const { key: presented, actingAs } = splitAdminAuth(bareKey(key));
    const check = await this.#checkKey(presented);
    if (!check.valid) {
      this.#log(`refused an admin key: ${check.reason ?? 'not valid for this instance'}`);
      throw new RequestError(401, 'BadAdminKey', 'The provided admin key was invalid for this instance');
    }
    const identity = impersonating === undefined ? actingAs : asIdentity(impersonating);
    return { identity, admin: true, readOnly: check.readOnly === true };
  }

  async user(token: string): Promise<Caller> {
    const providers = (await this.#host.call('authProviders', undefined as never)) as AuthProvider[];
    return { identity: await this.#authenticator.identify(token, providers), admin: false };
  }

  async caller(request: IncomingMessage): Promise<Caller> {
    const header = request.headers.authorization;
    const about = {
      request: {
        ip: request.socket.remoteAddress ?? null,
        userAgent: request.headers['user-agent'] ?? null,
        requestId: null,
        scheduledFunctionId: null,
      },
    };
    if (header === undefined) return { identity: null, admin: false, ...about };
    const space = header.indexOf(' ');
    const scheme = header.slice(0, space);
    const value = header.slice(space + 1);
    if (scheme === 'Convex') return { ...(await this.admin(value)), ...about };
    if (scheme === 'Bearer') return { ...(await this.#bearer(value)), ...about };
    throw new RequestError(
      401,
      'InvalidAuthHeader',
      'The Authorization header is neither Bearer nor Convex.',
    );
  }

  /** A token that is not good stops nobody but a function that asks who calls. */
  async #bearer(token: string): Promise<Caller> {
    try {
      return await this.user(token);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      const { code, message } = error;
      return { identity: null, admin: false, identityError: { code, message } };
    }
  }

  /** The caller of an HTTP action: a token that is not for us is the action's own business. */
  async lenientCaller(request: IncomingMessage): Promise<Caller> {
    try {
      const { identityError: _, ...caller } = await this.caller(request);
      return caller;
    } catch {
      return { identity: null, admin: false };
    }
  }

  /** Refuses whoever has no admin key, with the words the CLI knows. */
  async requireAdmin(request: IncomingMessage, write = true): Promise<Caller> {
    const header = request.headers.authorization;
    if (header === undefined || !header.startsWith('Convex ')) {
      throw new RequestError(403, 'BadDeployKey', 'The provided deploy key was invalid for this deployment');
    }
    const caller = await this.admin(header.slice('Convex '.length));
    if (write && caller.readOnly) {
      throw new RequestError(
        403,
        'ReadOnlyAdminKey',
        'This admin key is read-only and cannot change the deployment.',
      );
    }
    return caller;
  }
}
