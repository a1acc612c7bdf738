import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { StackyardError } from '../errors.ts';
import { copyFolder, type FolderCopy, type FolderCopyOptions } from './folder-copy.ts';
import { withClient } from './with-client.ts';

/** What a copy of a running server must not have, or has no use for: PostgreSQL's manual names them. */
const emptied =
  /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)\/./;
const leftOut =
  /^(postmaster\.(pid|opts)|backup_label(\.old)?|tablespace_map(\.old)?)$|(^|\/)pg_internal\.init|(^|\/)pgsql_tmp/;

/**
 * An online physical copy of a PostgreSQL: its files while it works, between `pg_backup_start` and `pg_backup_stop`,
 * and the write-ahead log between these, with which a start makes them consistent.
 *
 * @param url of the superuser
 */
export async function copyPostgresOnline(url: string, options: FolderCopyOptions): Promise<FolderCopy> {
  return withClient(url, async (client) => {
    if ((await readdir(path.join(options.from, 'pg_tblspc'))).length > 0) throw tablespaces(options.from);
    // Keeps the log that the copy will need, whatever checkpoints happen meanwhile; goes with the connection.
    const slot = `stackyard_backup_${randomBytes(4).toString('hex')}`;
    await client.query('SELECT pg_create_physical_replication_slot($1, true, true)', [slot]);
    const started = await client.query<{ lsn: string }>(
      "SELECT pg_backup_start('stackyard backup', true)::text AS lsn",
    );
    const copied = await copyFolder({ ...options, live: true, skip: isLeftOut });
    const { rows } = await client.query<{ label: string; first: string; last: string }>(
      `SELECT labelfile AS label, pg_walfile_name($1) AS first, pg_walfile_name(lsn) AS last
       FROM pg_backup_stop(wait_for_archive => false)`,
      [started.rows[0]!.lsn],
    );
    const { label, first, last } = rows[0]!;
    const segments = (await readdir(path.join(options.from, 'pg_wal'))).filter(
      (name) => /^[0-9A-F]{24}$/.test(name) && name >= first && name <= last,
    );
    for (const name of segments) {
      const [from, to] = [options.from, options.to].map((folder) => path.join(folder, 'pg_wal', name));
      await copyFile(from!, to!);
    }
    await writeFile(path.join(options.to, 'backup_label'), label, { mode: 0o600 });
    return copied;
  });
}

function isLeftOut(name: string, stat: Stats): boolean {
  if (name === 'pg_wal/archive_status' || name === 'pg_wal/summaries') return false; // the directories have to be there
  return leftOut.test(name) || (emptied.test(name) && !(stat.isDirectory() && name.startsWith('pg_wal/')));
}

function tablespaces(folder: string): StackyardError {
  return new StackyardError(
    'STACKYARD_BACKUP_TABLESPACES',
    `the PostgreSQL in ${folder} has tablespaces elsewhere`,
    {
      hint: 'stop the stack and copy its folders by hand, or move the tables to the default tablespace',
    },
  );
}
