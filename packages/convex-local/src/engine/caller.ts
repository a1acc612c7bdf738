/** Claims of a signed-in user, as `ctx.auth.getUserIdentity()` returns them. */
export type Identity = Readonly<Record<string, unknown>> & {
  readonly tokenIdentifier: string;
  readonly subject: string;
  readonly issuer: string;
};

/** On whose behalf a function runs. */
export interface Caller {
  readonly identity: Identity | null;
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
