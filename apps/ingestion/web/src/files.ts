/** A file with the path it had below what was dropped. */
export interface NamedFile {
  /** Undefined where the browser may not, or cannot any more, read it. */
  readonly file: File | undefined;
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
    const file = await new Promise<File | undefined>((resolve) =>
      (entry as FileSystemFileEntry).file(resolve, () => resolve(undefined)),
    );
    return [{ file, name: pathOf(entry) }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // One call gives a hundred at most.
    const some = await new Promise<FileSystemEntry[] | undefined>((resolve) =>
      reader.readEntries(resolve, () => resolve(undefined)),
    );
    if (!some) return [...(await below(all)), { file: undefined, name: pathOf(entry) }];
    if (some.length === 0) return below(all);
    all.push(...some);
  }
}

const pathOf = (entry: FileSystemEntry) => entry.fullPath.replace(/^\//, '');

async function below(children: FileSystemEntry[]): Promise<NamedFile[]> {
  return (await Promise.all(children.map((child) => filesOf(child)))).flat();
}
