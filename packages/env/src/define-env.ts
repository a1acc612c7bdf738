import { inspect } from 'node:util';
import type { z } from 'zod';
import { EnvError, type EnvProblem } from './env-error.ts';
import { maskUrlPasswords } from './mask.ts';
import { invalid, missing, thrown } from './problem.ts';
import { type EnvVariable, variableOf } from './variable.ts';

export type EnvSchema = Readonly<Record<string, z.ZodType>>;

export type EnvValues<S extends EnvSchema> = { readonly [Name in keyof S]: z.output<S[Name]> };

export type EnvSource = Readonly<Record<string, string | undefined>>;

export interface Env<S extends EnvSchema> {
  /** Frozen, typed values. Throws one `EnvError` with every problem. An empty string counts as unset. */
  parse(source: EnvSource): EnvValues<S>;
  /** The variables in the order of the schema, for documentation. */
  readonly variables: readonly EnvVariable[];
}

/**
 * Describes the environment that a program reads. Nothing is read until `parse` is called.
 *
 * @example
 * const env = defineEnv({
 *   PORT: port().default(8080).describe('Port of the API'),
 *   DATABASE_URL: secret(url({ protocols: ['postgresql'] })).describe('Connection URL of the database'),
 * });
 * const { PORT, DATABASE_URL } = env.parse(process.env);
 */
export function defineEnv<const S extends EnvSchema>(schema: S): Env<S> {
  const variables = Object.freeze(Object.entries(schema).map(([name, type]) => variableOf(name, type)));
  return Object.freeze({
    variables,
    parse(source: EnvSource): EnvValues<S> {
      const problems: EnvProblem[] = [];
      const values: [string, unknown][] = [];
      for (const variable of variables) {
        const result = read(variable, schema[variable.name] as z.ZodType, source);
        if ('problem' in result) problems.push(result.problem);
        else values.push([variable.name, freeze(result.value)]);
      }
      if (problems.length > 0) throw new EnvError(problems);
      return guarded(Object.fromEntries(values), variables) as EnvValues<S>;
    },
  });
}

type Reading = { readonly value: unknown } | { readonly problem: EnvProblem };

function read(variable: EnvVariable, type: z.ZodType, source: EnvSource): Reading {
  const text = Object.hasOwn(source, variable.name) ? source[variable.name] : undefined;
  const unset = text === undefined || text === '';
  if (unset && variable.required) return { problem: missing(variable) };
  try {
    const result = type.safeParse(unset ? undefined : text);
    if (result.success) return { value: result.data };
    return { problem: unset ? missing(variable) : invalid(variable, text, result.error.issues) };
  } catch (error) {
    return { problem: thrown(variable, text ?? '', error) };
  }
}

function freeze(value: unknown): unknown {
  const plain =
    Array.isArray(value) || (value !== null && Object.getPrototypeOf(Object(value)) === Object.prototype);
  if (!plain || typeof value !== 'object' || Object.isFrozen(value)) return value;
  for (const entry of Object.values(value as object)) freeze(entry);
  return Object.freeze(value);
}

/** Frozen, and safe to print: `console.log(values)` masks what is secret. */
function guarded(values: Record<string, unknown>, variables: readonly EnvVariable[]): object {
  const secrets = new Set(variables.filter((variable) => variable.secret).map((variable) => variable.name));
  const show = () =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        if (secrets.has(name) && value !== undefined) return [name, '***'];
        return [name, typeof value === 'string' ? maskUrlPasswords(value) : value];
      }),
    );
  Object.defineProperty(values, inspect.custom, { value: show, enumerable: false });
  return Object.freeze(values);
}
