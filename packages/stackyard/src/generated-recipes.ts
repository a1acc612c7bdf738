import { z } from 'zod';

/**
 * The Compose files' field `x-generate`: values that Stackyard makes once per checkout where the environment does not
 * set them, by the name of the variable.
 */
const recipesSchema = z.record(
  z.string(),
  z.union([
    /** That many random bytes, as hexadecimal digits. */
    z.strictObject({ hex: z.number().int().min(16).max(256) }),
    // only: convex
    /** A key for the Convex instance of that name and secret; made anew when either changes. */
    z.strictObject({ 'convex-admin-key': z.strictObject({ name: z.string(), secret: z.string() }) }),
    // /only
  ]),
);
/** How one value is made. */
export type Recipe = z.infer<typeof recipesSchema>[string];

/** The recipes of `x-generate`, or every problem with them. */
export function parseRecipes(
  field: unknown,
): { recipes: Readonly<Record<string, Recipe>>; problems?: never } | { recipes?: never; problems: string[] } {
  const parsed = recipesSchema.safeParse(field);
  return parsed.success ? { recipes: parsed.data } : { problems: z.prettifyError(parsed.error).split('\n') };
}
