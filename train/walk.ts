import type { Dirent } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { UprezError } from '../errors.js'

const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'])

/** An image file, and where it lies below the folder that was walked, with "/". */
export interface Found {
  place: string
  path: string
  /** The file itself, links resolved: one file counts once. */
  real: string
}

/** What a folder of training data holds. */
export interface Walked {
  /** Sorted by place. */
  images: Found[]
  /** The places of all folders below it. */
  folders: string[]
}

/**
 * Finds the images of a folder by their extensions, links followed; hidden files and folders are passed over.
 * @throws UprezError `no-input` where it cannot be read
 */
export async function walk(folder: string): Promise<Walked> {
  const images: Found[] = []
  const folders: string[] = []
  await visit('', new Set())
  return { images: images.sort((a, b) => (a.place < b.place ? -1 : 1)), folders: folders.sort() }

  /** @param above the folders we came through: a link to one of them would never end */
  async function visit(place: string, above: ReadonlySet<string>): Promise<void> {
    const folderPath = join(folder, place)
    const realFolder = await realpath(folderPath).catch(cause => refuse(folderPath, cause))
    if (above.has(realFolder)) return
    const entries: Dirent[] = await readdir(folderPath, { withFileTypes: true }).catch(cause => refuse(folderPath, cause))
    for (const entry of entries) {
      if (entry.name.startsWith('.')) continue
      const inside = place === '' ? entry.name : `${place}/${entry.name}`
      const path = join(folderPath, entry.name)
      // A link that leads nowhere stays a link, and is reported when it is opened.
      const target = entry.isSymbolicLink() ? await stat(path).catch(() => entry) : entry
      if (target.isDirectory()) {
        folders.push(inside)
        await visit(inside, new Set([...above, realFolder]))
      } else if (EXTENSIONS.has(extname(entry.name).toLowerCase()) && (target.isFile() || target.isSymbolicLink())) {
        const own = join(realFolder, entry.name)
        images.push({ place: inside, path, real: entry.isSymbolicLink() ? await realpath(own).catch(() => own) : own })
      }
    }
  }
}

function refuse(folder: string, cause: unknown): never {
  throw new UprezError('no-input', `the data folder ${folder} cannot be read`, {
    param: '--data',
    expected: 'a folder of images',
    got: folder,
    cause,
  })
}
