import type { MapNode } from './node.ts';

export function checkSchema(_document: MapNode): void {}
