import { jsonToConvex, type ValidatorJSON } from 'convex/values';
import { compareParts } from '../storage/value-order.ts';

/** Finds the name of the table an id belongs to. */
export type TableOfId = (id: string) => { readonly name: string } | undefined;

/** A value as Convex's messages show it: floats with a fraction, int64 with `n`. */
function displayValue(json: unknown): string {
  if (json === null || typeof json === 'boolean') return String(json);
  if (typeof json === 'number') return Number.isInteger(json) ? `${json}.0` : String(json);
  if (typeof json === 'string') return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(displayValue).join(', ')}]`;
  const entries = Object.entries(json as Record<string, unknown>);
  if (entries[0]?.[0].startsWith('$')) {
    const value = jsonToConvex(json as never);
    if (typeof value === 'bigint') return `${value}n`;
    return typeof value === 'number' ? String(value) : 'b"..."';
  }
  return `{${entries.map(([field, value]) => `${field}: ${displayValue(value)}`).join(', ')}}`;
}

/** A validator as the code that makes it. */
function displayValidator(validator: ValidatorJSON): string {
  switch (validator.type) {
    case 'number':
      return 'v.float64()';
    case 'bigint':
      return 'v.int64()';
    case 'literal':
      return `v.literal(${displayValue(validator.value)})`;
    case 'id':
      return `v.id("${validator.tableName}")`;
    case 'array':
      return `v.array(${displayValidator(validator.value)})`;
    case 'record':
      return `v.record(${displayValidator(validator.keys as ValidatorJSON)}, ${displayValidator(validator.values.fieldType)})`;
    case 'union':
      return `v.union(${validator.value.map(displayValidator).join(', ')})`;
    case 'object': {
      const fields = Object.entries(validator.value).map(([name, { fieldType, optional }]) => {
        const shown = displayValidator(fieldType);
        return `${name}: ${optional ? `v.optional(${shown})` : shown}`;
      });
      return `v.object({${fields.join(', ')}})`;
    }
    default:
      return `v.${validator.type}()`;
  }
}

function isPlainObject(json: unknown): json is Record<string, unknown> {
  return (
    typeof json === 'object' &&
    json !== null &&
    !Array.isArray(json) &&
    !Object.keys(json).some((key) => key.startsWith('$'))
  );
}

function tagged(json: unknown, tag: string): boolean {
  return typeof json === 'object' && json !== null && tag in json;
}

function mismatch(json: unknown, validator: ValidatorJSON, path: string): string {
  return `Value does not match validator.${at(path)}\nValue: ${displayValue(json)}\nValidator: ${displayValidator(validator)}`;
}

function at(path: string): string {
  return path === '' ? '' : `\nPath: ${path}`;
}

/** Says what is wrong with a value (given as Convex JSON), or nothing. */
export function validate(
  validator: ValidatorJSON,
  json: unknown,
  tableOf: TableOfId,
  path = '',
): string | undefined {
  const fits = (condition: boolean) => (condition ? undefined : mismatch(json, validator, path));
  switch (validator.type) {
    case 'any':
      return undefined;
    case 'null':
      return fits(json === null);
    case 'number':
      return fits(typeof json === 'number' || tagged(json, '$float'));
    case 'bigint':
      return fits(tagged(json, '$integer'));
    case 'boolean':
      return fits(typeof json === 'boolean');
    case 'string':
      return fits(typeof json === 'string');
    case 'bytes':
      return fits(tagged(json, '$bytes'));
    case 'literal':
      return sameLiteral(validator.value, json)
        ? undefined
        : `\`${displayValue(json)}\` does not match literal validator \`${displayValidator(validator)}\`.${at(path)}`;
    case 'id':
      return validateId(validator, json, tableOf, path);
    case 'array':
      if (!Array.isArray(json)) return mismatch(json, validator, path);
      return firstProblem(json, (item, i) => validate(validator.value, item, tableOf, `${path}[${i}]`));
    case 'union':
      if (validator.value.length === 1) return validate(validator.value[0]!, json, tableOf, path);
      return fits(validator.value.some((member) => validate(member, json, tableOf, path) === undefined));
    case 'record':
      if (!isPlainObject(json)) return mismatch(json, validator, path);
      return firstProblem(
        Object.entries(json),
        ([key, value]) =>
          validate(validator.keys as ValidatorJSON, key, tableOf, `${path}.keys()`) ??
          validate(validator.values.fieldType, value, tableOf, `${path}.values()`),
      );
    case 'object':
      return validateObject(validator, json, tableOf, path);
    default:
      return fits(tagged(json, '$integer'));
  }
}

function sameLiteral(expected: unknown, json: unknown): boolean {
  if (typeof expected !== 'object' || expected === null) return expected === json;
  return compareParts(jsonToConvex(expected as never), jsonToConvex(json as never)) === 0;
}

function firstProblem<T>(items: readonly T[], check: (item: T, index: number) => string | undefined) {
  for (const [index, item] of items.entries()) {
    const problem = check(item, index);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function validateId(
  validator: Extract<ValidatorJSON, { type: 'id' }>,
  json: unknown,
  tableOf: TableOfId,
  path: string,
): string | undefined {
  const table = typeof json === 'string' ? tableOf(json) : undefined;
  if (table === undefined) return mismatch(json, validator, path);
  if (table.name === validator.tableName) return undefined;
  return (
    `Found ID "${json}" from table \`${table.name}\`, which does not match the table name in validator ` +
    `\`v.id("${validator.tableName}")\`.${at(path)}`
  );
}

function validateObject(
  validator: Extract<ValidatorJSON, { type: 'object' }>,
  json: unknown,
  tableOf: TableOfId,
  path: string,
): string | undefined {
  if (!isPlainObject(json)) return mismatch(json, validator, path);
  const shown = () => `${at(path)}\nObject: ${displayValue(json)}\nValidator: ${displayValidator(validator)}`;
  for (const [name, { fieldType, optional }] of Object.entries(validator.value)) {
    if (!Object.hasOwn(json, name)) {
      if (optional) continue;
      return (
        `Object is missing the required field \`${name}\`. Consider wrapping the field validator in ` +
        `\`v.optional(...)\` if this is expected.${shown()}`
      );
    }
    const problem = validate(fieldType, json[name], tableOf, `${path}.${name}`);
    if (problem !== undefined) return problem;
  }
  const extra = Object.keys(json).find((name) => !Object.hasOwn(validator.value, name));
  if (extra === undefined) return undefined;
  return `Object contains extra field \`${extra}\` that is not in the validator.${shown()}`;
}
