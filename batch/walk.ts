import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { UprezError } from '../errors.js'
import { EXTENSIONS } from '../infer/format-of-name.js'

/** A file that may be a picture. */
export interface Candidate {
  path: string
  /** Where it lies below its input, with "/": its place in the mirrored tree. */
  place: string
  size: number
  /** Whole milliseconds: file systems and JSON disagree about the fraction. */
  mtimeMs: number
  /** The user named this very file. */
  named: boolean
  /** Of a TIFF of several, from 1; the place then names it as well. */
  page?: number
}

/** A file that is left alone, and why. */
export interface Skipped {
  path: string
  reason: string
}

export interface Walked {
  candidates: Candidate[]
  skipped: Skipped[]
  /** What could not be read. */
  failures: { path: string; error: UprezError }[]
}

/** Extensions a folder's files are taken by; what is inside decides later. */
const PICTURE_EXTENSIONS = new Set(Object.values(EXTENSIONS).flat())

/**
 * Finds the pictures that the inputs mean: files, folders (their files; with `recursive` their folders' too) and globs.
 * Several folders are kept apart by their names, as `cp -r` does. Dotfiles are passed over, links inside folders are
 * not followed, and nothing below `exclude` (the output folder) is looked at. Sorted by place; each file once.
 * @throws UprezError `no-input` where an input does not exist or a glob matches nothing
 */
export async function walk(inputs: readonly string[], options: { recursive: boolean; exclude: string | undefined }): Promise<Walked> {
  const found: Walked = { candidates: [], skipped: [], failures: [] }
  const exclude = options.exclude === undefined ? undefined : await realpath(options.exclude).catch(() => undefined)
  const seen = new Set<string>()
  for (const input of inputs) {
    const info = await stat(input).catch(() => undefined)
    if (info === undefined) await walkGlob(input)
    else if (info.isDirectory()) await walkFolder(await realpath(input), inputs.length > 1 ? basename(resolve(input)) : '')
    else await addFile(await realpath(input), basename(input), true)
  }
  found.candidates.sort((a, b) => compare(a.place, b.place) || compare(a.path, b.path))
  return found

  async function walkGlob(pattern: string) {
    if (!isDynamicPattern(pattern)) {
      throw new UprezError('no-input', `--input: ${pattern} does not exist`, {
        param: 'input',
        expected: 'a file, a folder or a glob',
        got: pattern,
      })
    }
    const paths = await glob(pattern, { absolute: true, followSymbolicLinks: false, expandDirectories: false })
    if (paths.length === 0) throw new UprezError('no-input', `--input: nothing matches ${pattern}`, { param: 'input', got: pattern })
    const root = await realpath(globBase(pattern))
    const left = exclude !== undefined && exclude !== root && isInside(exclude, root) ? exclude : undefined
    for (const found of paths) {
      const path = join(await realpath(dirname(found)), basename(found))
      if (left !== undefined && isInside(path, left)) continue
      await addFile(path, toPlace(isInside(path, root) ? relative(root, path) : basename(path)), false)
    }
  }

  async function walkFolder(folder: string, place: string) {
    for (const entry of await entriesOf(folder)) {
      const path = join(folder, entry.name)
      const below = place === '' ? entry.name : `${place}/${entry.name}`
      if (entry.name.startsWith('.')) continue
      if (entry.isSymbolicLink()) found.skipped.push({ path, reason: 'a link; links inside folders are not followed' })
      else if (entry.isDirectory()) {
        if (path === exclude) continue
        if (options.recursive) await walkFolder(path, below)
        else found.skipped.push({ path, reason: 'a folder; -r goes into folders' })
      } else await addFile(path, below, false)
    }
  }

  async function entriesOf(folder: string): Promise<Dirent[]> {
    try {
      return await readdir(folder, { withFileTypes: true })
    } catch (cause) {
      found.failures.push({ path: folder, error: unreadable(folder, cause as Error) })
      return []
    }
  }

  async function addFile(path: string, place: string, named: boolean) {
    if (seen.has(path)) return
    seen.add(path)
    const info = await lstat(path).catch((cause: Error) => cause)
    const extension = extname(path).toLowerCase()
    if (info instanceof Error) found.failures.push({ path, error: unreadable(path, info) })
    else if (info.isSymbolicLink()) found.skipped.push({ path, reason: 'a link; links inside folders are not followed' })
    else if (!info.isFile()) found.skipped.push({ path, reason: 'not a file' })
    else if (!named && !PICTURE_EXTENSIONS.has(extension))
      found.skipped.push({ path, reason: `${extension === '' ? 'no extension' : extension}: not a picture that is read here` })
    else found.candidates.push({ path, place, size: info.size, mtimeMs: Math.trunc(info.mtimeMs), named })
  }
}

function unreadable(path: string, cause: Error): UprezError {
  return new UprezError('no-input', `${path}: cannot be read: ${cause.message}`, { param: 'input', got: path, cause })
}

/** Whether `path` is `folder` or lies below it; both absolute. */
export function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** The folders of a glob before its first wildcard; a slash inside braces or parentheses is none of theirs. */
function globBase(pattern: string): string {
  const plain = pattern.slice(0, pattern.search(/[*?[{(]/))
  return resolve(plain.slice(0, plain.lastIndexOf('/') + 1))
}

/** A relative path as a place: with "/" whatever the system's separator. */
export function toPlace(path: string): string {
  return path.split(sep).join('/')
}

/** Plain code-unit order: the same on every machine, whatever its language. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
