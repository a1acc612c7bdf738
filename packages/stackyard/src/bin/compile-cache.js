import { enableCompileCache } from 'node:module';
import path from 'node:path';

// The entry points are plain JavaScript: Node keeps the stripped form of every TypeScript module it has loaded
// once, and then need not load its type stripper. The cache is in the checkout, so that nothing else is written; the
// published package has nothing to strip, and no checkout around it.
const source = path.resolve(import.meta.dirname, '..');
if (path.basename(source) === 'src') {
  enableCompileCache(path.resolve(source, '..', '..', '..', '.stackyard', 'cache', 'compile'));
}
