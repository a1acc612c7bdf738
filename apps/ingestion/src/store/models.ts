import type { Client, Transaction } from '@stackyard/postgres';
import type { EmbeddingModel } from '../pipeline/index.ts';

export interface StoredModel extends EmbeddingModel {
  readonly id: number;
  readonly state: 'active' | 'building' | 'retired';
  /** Whether an approximate index over its vectors is there. */
  readonly indexed: boolean;
}

const columns = `id, model, dimensions, state, EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass('chunk_m' || id || '_ann') AND indisvalid) AS indexed`;

/** The partition of `chunk` that holds a model's vectors. */
export const partitionOf = (modelId: number): string => `chunk_m${modelId}`;

/** The models that are written now: the active one first, then one that is being built up. */
export function liveModels(client: Client): Promise<StoredModel[]> {
  return client.query<StoredModel>(
    `SELECT ${columns} FROM embedding_model WHERE state <> 'retired' ORDER BY state, id`,
  );
}

/** The model that search uses; undefined before the first one. */
export async function activeModel(client: Client): Promise<StoredModel | undefined> {
  const [active] = await client.query<StoredModel>(
    `SELECT ${columns} FROM embedding_model WHERE state = 'active'`,
  );
  return active;
}

/**
 * Makes room for a model's vectors. The very first model becomes the active one; a later one is built up beside it
 * until {@link activateModel}. One that was retired is built up again only with `revive`: a worker whose settings still
 * name it must not undo the change to another.
 */
export async function ensureModel(
  client: Client,
  { model, dimensions }: EmbeddingModel,
  { revive = false }: { revive?: boolean } = {},
): Promise<StoredModel> {
  const find = () =>
    client.query<StoredModel>(`SELECT ${columns} FROM embedding_model WHERE model = $1 AND dimensions = $2`, [
      model,
      dimensions,
    ]);
  const [known] = await find();
  if (known && !(revive && known.state === 'retired')) return known;
  return client.tx(async (tx) => {
    await tx.query('LOCK TABLE embedding_model IN SHARE ROW EXCLUSIVE MODE');
    const stored = await tx.one<StoredModel>(
      `INSERT INTO embedding_model (model, dimensions, state)
       VALUES ($1, $2, CASE WHEN EXISTS (SELECT FROM embedding_model WHERE state = 'active') THEN 'building' ELSE 'active' END)
       ON CONFLICT (model, dimensions) DO UPDATE
         SET state = CASE WHEN embedding_model.state = 'retired' THEN 'building' ELSE embedding_model.state END
       RETURNING ${columns}`,
      [model, dimensions],
    );
    const name = partitionOf(stored.id);
    await tx.query(`
      CREATE TABLE IF NOT EXISTS ${name} PARTITION OF chunk FOR VALUES IN (${stored.id});
      ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;
      ALTER TABLE ${name} FORCE ROW LEVEL SECURITY;
      ALTER TABLE ${name} ALTER COLUMN embedding SET STORAGE PLAIN, ALTER COLUMN text SET STATISTICS 0,
        ALTER COLUMN context SET STATISTICS 0, ALTER COLUMN place SET STATISTICS 0;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${name} TO ingestion_service`);
    return stored;
  });
}

/** Whether a visible version has no vectors of the model. */
export async function lacksVectors(tx: Transaction, modelId: number): Promise<boolean> {
  const { missing } = await tx.one<{ missing: boolean }>(
    `SELECT EXISTS (SELECT FROM document d JOIN version v ON v.id = d.current_version
       WHERE d.deleted_at IS NULL AND v.chunks > 0
         AND NOT EXISTS (SELECT FROM ${partitionOf(modelId)} c WHERE c.version_id = v.id AND c.model_id = $1))
     AS missing`,
    [modelId],
  );
  return missing;
}

/**
 * Search uses this model from the next query on; the one before is retired, and its vectors go. False, and nothing has
 * changed, where a version has come meanwhile without vectors of this model.
 */
export function activateModel(client: Client, id: number): Promise<boolean> {
  return client.tx(async (tx) => {
    // Nothing is stored until this is through. Who then comes with vectors of the old model only finds no place for them.
    await tx.query('LOCK TABLE chunk IN SHARE ROW EXCLUSIVE MODE');
    await tx.query(`SELECT set_config('role', 'ingestion_service', true)`);
    if (await lacksVectors(tx, id)) return false;
    const retired = await tx.query<{ id: number }>(
      `UPDATE embedding_model SET state = 'retired' WHERE state = 'active' AND id <> $1 RETURNING id`,
      [id],
    );
    await tx.query(`UPDATE embedding_model SET state = 'active' WHERE id = $1`, [id]);
    await tx.query(`SELECT set_config('role', 'none', true)`);
    for (const old of retired) await tx.query(`DROP TABLE IF EXISTS ${partitionOf(old.id)}`);
    return true;
  });
}
