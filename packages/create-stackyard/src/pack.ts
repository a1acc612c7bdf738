// Before the package is packed: the files of this checkout become the archive that the package carries.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { archiveFile, packTree, readTree } from '@stackyard/template';

const folder = resolve(import.meta.dirname, '..');
const tree = readTree(resolve(folder, '../..'));
writeFileSync(resolve(folder, archiveFile), packTree(tree));
console.log(`${archiveFile}: ${tree.size} files`);
