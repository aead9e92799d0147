/** Decoded pictures within a limit of memory; those longest unused go first. */
export interface PictureCache<T> {
  /** @param bytes what `load` will hold */
  get(path: string, bytes: number, load: () => Promise<T>): Promise<T>
  forget(path: string): void
}

export function pictureCache<T>(limit: number): PictureCache<T> {
  /** In the order of their last use. */
  const held = new Map<string, { picture: Promise<T>; bytes: number }>()
  let total = 0

  function forget(path: string): void {
    total -= held.get(path)?.bytes ?? 0
    held.delete(path)
  }

  return {
    forget,
    get(path, bytes, load) {
      const known = held.get(path)
      if (known) {
        held.delete(path)
        held.set(path, known)
        return known.picture
      }
      const picture = load()
      held.set(path, { picture, bytes })
      total += bytes
      for (const oldest of held.keys()) {
        if (total <= limit) break
        forget(oldest)
      }
      return picture
    },
  }
}
