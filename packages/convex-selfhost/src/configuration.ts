import { databaseChecks } from './database-checks.ts';
import { deploymentChecks } from './deployment-checks.ts';
import type { Finding } from './finding.ts';
import { identityChecks } from './identity-checks.ts';

/** What is known of a self-hosted Convex. Leave out what is not known: its rules are then not applied. */
export interface SelfhostConfiguration {
  /** The backend's environment: `INSTANCE_NAME`, `POSTGRES_URL` and so on. */
  readonly environment: Readonly<Record<string, string | null | undefined>>;
  /** Fields of the backend's Compose service. */
  readonly backend?: ServiceFacts;
  readonly dashboard?: ServiceFacts & {
    readonly environment?: Readonly<Record<string, string | null | undefined>>;
  };
  /** Host ports by what they serve. */
  readonly ports?: { readonly api?: number; readonly site?: number; readonly dashboard?: number };
  /** What the data volume holds in `credentials/`: it outlives every change of the environment. */
  readonly stored?: { readonly instanceName?: string; readonly instanceSecret?: string };
  /** The databases that exist on the PostgreSQL server. */
  readonly databases?: readonly string[];
  /** The key that clients use, to be checked against name and secret. */
  readonly adminKey?: string;
  /** What `/version` answered. */
  readonly version?: string;
  /** Applies the rules of production too. */
  readonly production?: boolean;
}

export interface ServiceFacts {
  readonly image?: string;
  readonly extraHosts?: readonly string[];
  readonly stopSignal?: string;
  readonly stopGracePeriod?: string;
}

/** One rule, by name. */
export interface Check {
  readonly id: string;
  /** What it looks after, in a few words: `instance secret`. */
  readonly about: string;
  /** No finding means that all is well, or that what the rule needs is not known. */
  run(configuration: SelfhostConfiguration): readonly Finding[];
}

/** Every rule, in the order in which a person would go through them. */
export const selfhostChecks: readonly Check[] = Object.freeze([
  ...identityChecks,
  ...databaseChecks,
  ...deploymentChecks,
]);

/** All findings of all rules. */
export function checkConfiguration(configuration: SelfhostConfiguration): readonly Finding[] {
  return selfhostChecks.flatMap((check) => check.run(configuration));
}
