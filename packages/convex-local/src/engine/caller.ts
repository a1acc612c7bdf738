import { RequestError } from './function-error.ts';

/** Claims of a signed-in user, as `ctx.auth.getUserIdentity()` returns them. */
export type Identity = Readonly<Record<string, unknown>> & {
  readonly tokenIdentifier: string;
  readonly subject: string;
  readonly issuer: string;
};

/** On whose behalf a function runs. */
export interface Caller {
  readonly identity: Identity | null;
  /** Why the token of a request was refused. The function runs, and fails when it asks who calls. */
  readonly identityError?: { readonly code: string; readonly message: string };
  /** The caller proved an admin key: internal functions and system functions are open to it. */
  readonly admin: boolean;
  readonly request?: {
    readonly ip: string | null;
    readonly userAgent: string | null;
    readonly requestId: string | null;
    readonly scheduledFunctionId: string | null;
    readonly authToken?: string | null;
  };
}

/** Who calls, as code sees it; throws where a token was sent that is not good. */
export function identityOf({ identity, identityError }: Caller): Identity | null {
  if (identityError !== undefined) throw new RequestError(401, identityError.code, identityError.message);
  return identity;
}

/** The same where code asks why nobody is signed in: the refusal of the token instead of an error. */
export function identityOrRefusal({ identity, identityError }: Caller): unknown {
  return identityError === undefined ? identity : { ...identityError, details: identityError.message };
}

/** The caller without the person: a component does not see who signed in to the app that uses it. */
export function withoutIdentity({ identityError: _, ...caller }: Caller): Caller {
  return { ...caller, identity: null };
}
