import path from 'node:path';
import type { Service } from '@stackyard/compose';

/** The extension field of a service. */
export interface EmbeddedField {
  readonly engine: string;
  readonly [option: string]: unknown;
}

export function embeddedField(service: Service): EmbeddedField | undefined {
  const field = service['x-embedded'];
  if (typeof field !== 'object' || field === null || !('engine' in field)) return undefined;
  return field as EmbeddedField;
}

/** Where an engine keeps its own files. */
export function engineDirectory(stateDirectory: string, service: string): string {
  return path.join(stateDirectory, 'engines', service);
}
