/** A file with the path it had below what was dropped. */
export interface NamedFile {
  readonly file: File;
  readonly name: string;
}

/** All files of a drop, those of folders at any depth included. Hidden files stay out. */
export async function droppedFiles(transfer: DataTransfer): Promise<NamedFile[]> {
  // The entries must be taken before the first await: afterwards the list is empty.
  const items = [...transfer.items]
    .filter(({ kind }) => kind === 'file')
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = await Promise.all(
    items.map(({ entry, file }) => (entry ? filesOf(entry) : file ? [{ file, name: file.name }] : [])),
  );
  return visible(found.flat());
}

/** Files that were chosen by dialog. */
export function chosenFiles(list: FileList): NamedFile[] {
  return visible([...list].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
}

function visible(files: NamedFile[]): NamedFile[] {
  return files.filter(({ name }) => !name.split('/').some((part) => part.startsWith('.')));
}

async function filesOf(entry: FileSystemEntry): Promise<NamedFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [{ file, name: entry.fullPath.replace(/^\//, '') }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // One call gives a hundred at most.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) break;
    all.push(...some);
  }
  return (await Promise.all(all.map((child) => filesOf(child)))).flat();
}
