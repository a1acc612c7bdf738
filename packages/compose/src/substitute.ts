import { castScalar } from './cast.ts';
import { type OnWarning, Problems } from './errors.ts';
import { type Environment, interpolate } from './interpolate.ts';
import { type MapNode, mapEntries, type Node, type Path } from './node.ts';

/**
 * Replaces the variables in every value of a document, never in its keys, and turns the results into the types of
 * their fields.
 *
 * @throws ComposeError with every malformed reference, missing required variable and failed conversion
 */
export function substitute(document: MapNode, env: Environment, onWarning?: OnWarning): MapNode {
  const problems = new Problems();
  const visit = (node: Node, path: Path): Node => {
    if (node.kind === 'map') return mapEntries(node, (value, key) => visit(value, [...path, key]));
    if (node.kind === 'list') {
      return { ...node, items: node.items.map((item, index) => visit(item, [...path, `[${index}]`])) };
    }
    const { value } = node;
    if (typeof value !== 'string') return node;
    const result = problems.collect(() => {
      const location = { file: node.at.file, line: node.at.line, column: node.at.column ?? 1 };
      const options = { location, ...(onWarning === undefined ? {} : { onWarning }) };
      return castScalar({ ...node, value: interpolate(value, env, options) }, path, onWarning);
    });
    return result === undefined ? node : { ...node, value: result.value };
  };
  const substituted = visit(document, []) as MapNode;
  problems.throwIfAny();
  return substituted;
}
