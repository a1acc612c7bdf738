import { useCallback, useRef, useState } from 'react';
import { ApiError, upload } from './api.ts';
import type { NamedFile } from './files.ts';

export interface UploadItem {
  readonly id: number;
  readonly name: string;
  readonly file: File | undefined;
  /** Of the bytes that are sent; undefined while others go first. */
  readonly share?: number;
  readonly error?: ApiError;
}

const PARALLEL = 4;

const unreadable = new ApiError({
  title: 'The browser cannot read this file',
  code: 'UNREADABLE',
  hint: 'Check that it is still there and that you may read it, then add it again.',
});

/** Sends files, a few at a time. What was sent leaves the list; what failed stays, with its reason. */
export function useUploads(onSent: (documentId: string) => void) {
  const [items, setItems] = useState<readonly UploadItem[]>([]);
  const waiting = useRef<UploadItem[]>([]);
  const running = useRef(0);
  const nextId = useRef(0);

  const change = useCallback((id: number, more: Partial<UploadItem>) => {
    setItems((all) => all.map((item) => (item.id === id ? { ...item, ...more } : item)));
  }, []);

  const pump = useCallback(() => {
    while (running.current < PARALLEL) {
      const item = waiting.current.shift();
      if (!item) return;
      if (!item.file) {
        change(item.id, { error: unreadable });
        continue;
      }
      running.current += 1;
      change(item.id, { share: 0 });
      upload(item.file, item.name, (share) => change(item.id, { share }))
        .then(
          (documentId) => {
            setItems((all) => all.filter(({ id }) => id !== item.id));
            onSent(documentId);
          },
          (error: unknown) =>
            change(item.id, { error: error instanceof ApiError ? error : new ApiError({}) }),
        )
        .finally(() => {
          running.current -= 1;
          pump();
        });
    }
  }, [change, onSent]);

  const add = useCallback(
    (files: readonly NamedFile[]) => {
      const added = files.map(({ file, name }) => {
        nextId.current += 1;
        return { id: nextId.current, name, file };
      });
      waiting.current.push(...added);
      setItems((all) => [...all, ...added]);
      pump();
    },
    [pump],
  );

  const dismiss = useCallback(({ id }: UploadItem) => {
    setItems((all) => all.filter((item) => item.id !== id));
  }, []);

  const retry = useCallback(
    (item: UploadItem) => {
      dismiss(item);
      add([item]);
    },
    [add, dismiss],
  );

  return { items, add, retry, dismiss };
}
