import type { Context } from './canonical.ts';
import { composeError, type Place } from './errors.ts';
import { locate } from './locate.ts';
import type { ComposeModel } from './model.ts';
import { entry, type MapNode, text } from './node.ts';

/**
 * The services in layers: those of a layer depend only on earlier layers, so a layer can start at once. Optional
 * dependencies on services that are not there are passed over.
 *
 * @throws ComposeError COMPOSE_CYCLE, with the circle as `a -> b -> a`
 */
export function startOrder(model: ComposeModel): string[][] {
  const dependencies = new Map(
    Object.entries(model.services).map(([name, service]) => [
      name,
      Object.keys(service.depends_on ?? {}).filter((dependency) => Object.hasOwn(model.services, dependency)),
    ]),
  );
  return layers(dependencies, (from, to) => locate(model, ['services', from, 'depends_on', to]));
}

/** Collects dependencies on services that are missing or disabled, and refuses circles. */
export function checkDependencies(document: MapNode, disabled: ReadonlySet<string>, context: Context): void {
  const services = entry(document, 'services');
  if (services?.kind !== 'map') return;
  const graph = new Map<string, string[]>();
  for (const [name, service] of services.entries) {
    const dependsOn = entry(service, 'depends_on');
    const present: string[] = [];
    for (const [dependency, node] of dependsOn?.kind === 'map' ? dependsOn.entries : []) {
      if (services.entries.has(dependency)) {
        present.push(dependency);
        continue;
      }
      const isDisabled = disabled.has(dependency);
      const message = `service ${name} depends on ${isDisabled ? 'disabled' : 'undefined'} service ${dependency}`;
      if (text(entry(node, 'required')) === 'false') {
        context.onWarning?.({
          message: `${message}, which it does not require`,
          file: node.at.file,
          line: node.at.line,
        });
        continue;
      }
      const hint = isDisabled
        ? 'activate one of its profiles, or write `required: false`'
        : 'correct the name';
      context.problems.add('COMPOSE_REFERENCE', message, node.at, hint);
    }
    graph.set(name, present);
  }
  context.problems.throwIfAny();
  layers(graph, (from, to) => entry(entry(entry(services, from), 'depends_on'), to)?.at);
}

function layers(
  graph: ReadonlyMap<string, readonly string[]>,
  placeOf: (from: string, to: string) => Place | undefined,
): string[][] {
  const missing = new Map([...graph].map(([name, needs]) => [name, needs.length]));
  const neededBy = Map.groupBy(
    [...graph].flatMap(([name, needs]) => needs.map((need) => ({ name, need }))),
    ({ need }) => need,
  );
  const order = new Map([...graph.keys()].map((name, index) => [name, index]));
  const result: string[][] = [];
  const done = new Set<string>();
  let layer = [...graph.keys()].filter((name) => missing.get(name) === 0);
  while (layer.length > 0) {
    result.push(layer);
    const next: string[] = [];
    for (const ready of layer) {
      done.add(ready);
      for (const { name } of neededBy.get(ready) ?? []) {
        const left = (missing.get(name) as number) - 1;
        missing.set(name, left);
        if (left === 0) next.push(name);
      }
    }
    layer = next.sort((a, b) => (order.get(a) as number) - (order.get(b) as number));
  }
  if (done.size < graph.size) throw circular(graph, done, placeOf);
  return result;
}

function circular(
  graph: ReadonlyMap<string, readonly string[]>,
  done: ReadonlySet<string>,
  placeOf: (from: string, to: string) => Place | undefined,
) {
  // What is left all leads into a circle: walk until a name comes back.
  const walk = [[...graph.keys()].filter((name) => !done.has(name)).sort()[0] as string];
  const steps = new Map([[walk[0] as string, 0]]);
  for (;;) {
    const last = walk.at(-1) as string;
    const next = (graph.get(last) ?? []).find((need) => !done.has(need)) as string;
    const start = steps.get(next);
    steps.set(next, walk.length);
    walk.push(next);
    if (start === undefined) continue;
    const circle = walk.slice(start);
    const message = `depends_on goes round in a circle: ${circle.join(' -> ')}`;
    return composeError('COMPOSE_CYCLE', message, placeOf(last, next), 'remove one of these dependencies');
  }
}
