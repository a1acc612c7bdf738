import { jsonToConvex, type Value } from 'convex/values';
import { fieldAt } from '../storage/document.ts';
import { compareParts, type KeyPart } from '../storage/value-order.ts';
import { FunctionError } from './function-error.ts';

/** Reads a literal as the `convex` package serialises it, `undefined` included. */
export function literal(json: unknown): KeyPart {
  if (typeof json === 'object' && json !== null && '$undefined' in json) return undefined;
  return jsonToConvex(json as never);
}

type Operands = readonly [unknown, unknown];

function arithmetic(operator: string, a: KeyPart, b: KeyPart): Value {
  if (typeof a === 'number' && typeof b === 'number') {
    if (operator === '$add') return a + b;
    if (operator === '$sub') return a - b;
    if (operator === '$mul') return a * b;
    return operator === '$div' ? a / b : a % b;
  }
  if (typeof a === 'bigint' && typeof b === 'bigint') {
    if (operator === '$add') return BigInt.asIntN(64, a + b);
    if (operator === '$sub') return BigInt.asIntN(64, a - b);
    if (operator === '$mul') return BigInt.asIntN(64, a * b);
    if (b === 0n) throw new FunctionError('Division by zero');
    return operator === '$div' ? a / b : a % b;
  }
  throw new FunctionError(`${operator.slice(1)} takes two numbers of one kind`);
}

/** Evaluates an expression of `q.eq(q.field('a'), 1)`'s serialised form on a document. */
export function evaluate(expression: unknown, document: Record<string, unknown>): KeyPart {
  if (typeof expression !== 'object' || expression === null) return literal(expression);
  const entry = Object.entries(expression)[0];
  if (entry === undefined) return {};
  const [operator, operand] = entry;
  const sides = () => (operand as Operands).map((side) => evaluate(side, document)) as [KeyPart, KeyPart];
  switch (operator) {
    case '$literal':
      return literal(operand);
    case '$field':
      return fieldAt(document, (operand as string).split('.'));
    case '$eq':
      return compareParts(...sides()) === 0;
    case '$neq':
      return compareParts(...sides()) !== 0;
    case '$lt':
      return compareParts(...sides()) < 0;
    case '$lte':
      return compareParts(...sides()) <= 0;
    case '$gt':
      return compareParts(...sides()) > 0;
    case '$gte':
      return compareParts(...sides()) >= 0;
    case '$and':
      return (operand as unknown[]).every((part) => evaluate(part, document) === true);
    case '$or':
      return (operand as unknown[]).some((part) => evaluate(part, document) === true);
    case '$not':
      return evaluate(operand, document) !== true;
    case '$neg': {
      const value = evaluate(operand, document);
      if (typeof value === 'number' || typeof value === 'bigint') return -value;
      throw new FunctionError('neg takes a number');
    }
    case '$add':
    case '$sub':
    case '$mul':
    case '$div':
    case '$mod':
      return arithmetic(operator, ...sides());
    default:
      throw new FunctionError(`Unknown filter operator ${operator}`);
  }
}
