// What the editor keeps in this browser (tabs, history) holds what one person typed, secrets perhaps among it. So it is
// kept by viewer, and signing out forgets it for good: the editor writes its tabs a moment after a change, and a write
// that comes after the sign-out would bring them back for the next person at this desk.

const PREFIX = "edgeatlas:";

/** The part of the Web Storage interface that GraphiQL uses. */
export interface EditorStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  clear(): void;
  readonly length: number;
  /** Removes everything that the editor kept for any viewer, and keeps nothing more. */
  forget(): void;
}

/** The storage of one viewer's editor within `storage`. */
export function editorStorage(storage: Storage, viewer: string): EditorStorage {
  const own = `${PREFIX}${encodeURIComponent(viewer)}:`;
  let forgotten = false;
  const keys = (prefix: string): string[] =>
    Array.from({ length: storage.length }, (_, index) => storage.key(index)).filter(
      (key): key is string => key !== null && key.startsWith(prefix),
    );
  const removeAll = (prefix: string): void => {
    for (const key of keys(prefix)) storage.removeItem(key);
  };
  return {
    getItem: (key) => storage.getItem(own + key),
    setItem(key, value) {
      if (!forgotten) storage.setItem(own + key, value);
    },
    removeItem: (key) => storage.removeItem(own + key),
    clear: () => removeAll(own),
    get length() {
      return keys(own).length;
    },
    forget() {
      forgotten = true;
      removeAll(PREFIX);
    },
  };
}
