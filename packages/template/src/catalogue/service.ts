/** What a service of the catalogue is told of the variant that gets it. */
export interface ServiceContext {
  /** The variant's name in kebab-case. */
  readonly variant: string;
  /** The same as a database may be called. */
  readonly snake: string;
  /** What the variant's variables begin with, without `_` at the end: `SHOP`. */
  readonly prefix: string;
  /** A variable with a port of the variant's own as its default, by what listens there: `${SHOP_REDIS_PORT:-4301}`. */
  port(what: string): string;
}

/** A service that a variant can be given. */
export interface CatalogueService {
  /** As it is called on the command line and in the Compose file. */
  readonly name: string;
  readonly summary: string;
  /** The service as YAML, from column 0. Each published port has a variable of its own, from `context.port`. */
  compose(context: ServiceContext): string;
  /** What the programs of the variant get to see. */
  environment(context: ServiceContext): Readonly<Record<string, string>>;
  /** Entries for `x-generate`, as YAML from column 0. */
  generate?(context: ServiceContext): string;
  /** What happens where services run without Docker; absent when an embedded engine runs it. */
  readonly withoutEngine?: string;
}
