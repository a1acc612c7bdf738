import type { z } from 'zod';
import { looksSecret } from './mask.ts';

/** A variable as documentation shows it. */
export interface EnvVariable {
  readonly name: string;
  readonly description?: string | undefined;
  /** The default as one would write it in an env file; never present on a secret variable. */
  readonly default?: string | undefined;
  /** An example value; never present on a secret variable. */
  readonly example?: string | undefined;
  /** Whether parsing fails while the variable is unset. */
  readonly required: boolean;
  readonly secret: boolean;
  /** How to get a value, for the error that misses it: `openssl rand -hex 32`. */
  readonly hint?: string | undefined;
}

/** What `.meta()` of a type in a schema may say, next to `description`. */
export interface EnvMeta {
  readonly example?: string;
  readonly secret?: boolean;
  /** What to do when the value is missing or wrong; printed as it is. */
  readonly hint?: string;
  /** The text of the default for documentation, where the default itself is computed. */
  readonly default?: string;
}

/** Reads what a type says about itself, through every wrapper (`optional`, `default`, `transform`, unions ...). */
export function variableOf(name: string, type: z.ZodType): EnvVariable {
  const layers = layersOf(type);
  const metas = layers.map((layer) => layer.meta() ?? {});
  const first = (key: keyof EnvMeta | 'description'): string | undefined => {
    const value = metas.find((meta) => typeof meta[key] === 'string')?.[key];
    return value === undefined ? undefined : String(value);
  };
  const marks = metas.map((meta) => meta.secret).filter((mark) => typeof mark === 'boolean');
  const secret = marks.length > 0 ? marks.includes(true) : looksSecret(name);
  return Object.freeze({
    name,
    description: first('description'),
    default: secret ? undefined : (first('default') ?? defaultOf(layers)),
    example: secret ? undefined : first('example'),
    required: type._zod.optin === undefined,
    secret,
    hint: first('hint'),
  });
}

/** The type and all types within it, outermost first. */
function layersOf(type: z.ZodType, seen = new Set<z.ZodType>()): z.ZodType[] {
  if (seen.has(type)) return [];
  seen.add(type);
  const inner = Object.entries(type._zod.def).flatMap(([key, value]) =>
    key === 'defaultValue' ? [] : [value].flat().filter(isType),
  );
  return [type, ...inner.flatMap((layer) => layersOf(layer, seen))];
}

function isType(value: unknown): value is z.ZodType {
  return typeof value === 'object' && value !== null && '_zod' in value && 'meta' in value;
}

function defaultOf(layers: readonly z.ZodType[]): string | undefined {
  for (const { _zod } of layers) {
    const { def } = _zod;
    if (def.type === 'default' || def.type === 'prefault') {
      return textOf((def as unknown as { defaultValue: unknown }).defaultValue);
    }
  }
  return undefined;
}

/** A default as an env file would have it, or undefined where it has no such form. */
function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(textOf).join(',');
  if (value instanceof URL) return value.href;
  return ['string', 'number', 'boolean', 'bigint'].includes(typeof value) ? String(value) : undefined;
}
