import { createHash, randomBytes } from 'node:crypto';
import type { Client } from '@stackyard/postgres';
import { asService } from './database.ts';

export interface Tenant {
  readonly id: string;
  readonly maxDocuments: number;
  readonly maxBytes: number;
  readonly maxRequests: number;
  readonly documents: number;
  readonly bytes: number;
  readonly paused: boolean;
}

const columns = `t.id, t.max_documents AS "maxDocuments", t.max_bytes::float8 AS "maxBytes",
  t.max_requests AS "maxRequests", t.documents, t.bytes::float8 AS bytes, t.paused`;

/** Creates a tenant, or changes the given limits of one. */
export async function saveTenant(
  client: Client,
  id: string,
  limits: Partial<Record<'max_documents' | 'max_bytes' | 'max_active' | 'max_requests', number>> = {},
): Promise<void> {
  await asService(client, async (tx) => {
    await tx.query('INSERT INTO tenant (id) VALUES ($1) ON CONFLICT DO NOTHING', [id]);
    const names = Object.keys(limits);
    if (names.length === 0) return;
    const assignments = names.map((name, index) => `${name} = $${index + 2}`);
    await tx.query(`UPDATE tenant SET ${assignments.join(', ')} WHERE id = $1`, [
      id,
      ...Object.values(limits),
    ]);
  });
}

export async function findTenant(client: Client, id: string): Promise<Tenant | undefined> {
  const [tenant] = await asService(client, (tx) =>
    tx.query<Tenant>(`SELECT ${columns} FROM tenant t WHERE t.id = $1`, [id]),
  );
  return tenant;
}

export interface Identity {
  readonly tenant: Tenant;
  /** May see and change what concerns all tenants. */
  readonly admin: boolean;
}

/** Makes an API key. It is shown this once; the database keeps its hash. */
export async function createApiKey(
  client: Client,
  tenantId: string,
  name: string,
  admin = false,
): Promise<string> {
  const key = `sy_${randomBytes(32).toString('base64url')}`;
  await asService(client, (tx) =>
    tx.query('INSERT INTO api_key (tenant_id, name, hash, admin) VALUES ($1, $2, $3, $4)', [
      tenantId,
      name,
      hashOf(key),
      admin,
    ]),
  );
  return key;
}

/** Whose key this is; undefined where it is nobody's, or was revoked. */
export async function identify(client: Client, key: string): Promise<Identity | undefined> {
  const [row] = await asService(client, (tx) =>
    tx.query<Tenant & { admin: boolean }>(
      `SELECT ${columns}, k.admin FROM api_key k JOIN tenant t ON t.id = k.tenant_id
       WHERE k.hash = $1 AND k.revoked_at IS NULL`,
      [hashOf(key)],
    ),
  );
  if (!row) return undefined;
  const { admin, ...tenant } = row;
  return { tenant, admin };
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
