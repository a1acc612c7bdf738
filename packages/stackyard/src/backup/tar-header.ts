/** A tar block, which everything in the file is aligned to. */
export const blockSize = 512;

export interface TarEntry {
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/**
 * The POSIX (ustar) header of a file, so that any tar can look into a backup. A path that has no room in it is
 * shortened from the left: the manifest has the whole one.
 */
export function tarHeader({ path, size, mode, mtime }: TarEntry): Buffer {
  const header = Buffer.alloc(blockSize);
  const { name, prefix } = splitPath(path);
  header.write(name, 0, 100, 'utf8');
  header.write(`${octal(mode & 0o7777, 7)}\0`, 100, 'ascii');
  header.write(`${octal(0, 7)}\0`, 108, 'ascii');
  header.write(`${octal(0, 7)}\0`, 116, 'ascii');
  writeSize(header, size);
  header.write(`${octal(mtime, 11)}\0`, 136, 'ascii');
  header.write('        ', 148, 'ascii');
  header.write('0', 156, 'ascii');
  header.write('ustar\x0000', 257, 'latin1');
  header.write(prefix, 345, 155, 'utf8');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\0 `, 148, 'ascii');
  return header;
}

/** Bytes that a file of this size takes in the archive, without its header. */
export function padded(size: number): number {
  return Math.ceil(size / blockSize) * blockSize;
}

function writeSize(header: Buffer, size: number): void {
  if (size < 8 ** 11) header.write(`${octal(size, 11)}\0`, 124, 'ascii');
  else {
    header.writeUInt8(0x80, 124); // as a number: beyond 8 GB
    header.writeBigUInt64BE(BigInt(size), 128);
  }
}

function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const name = path.slice(slash + 1);
    if (Buffer.byteLength(name) <= 100 && slash <= 155) return { name, prefix: path.slice(0, slash) };
  }
  return { name: Buffer.from(path).subarray(-100).toString('latin1'), prefix: '' };
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');
