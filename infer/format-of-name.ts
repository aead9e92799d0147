import { posix } from 'node:path'
import { UprezError } from '../errors.js'
import { OUTPUT_FORMATS, type OutputFormat } from './job.js'

/** How the names of files of a format end. */
export const EXTENSIONS: Record<OutputFormat, readonly string[]> = {
  png: ['.png'],
  jpg: ['.jpg', '.jpeg', '.jpe', '.jfif'],
  webp: ['.webp'],
  avif: ['.avif'],
  tiff: ['.tiff', '.tif'],
}

/** The format that a file name asks for, or undefined. */
export function formatOfName(name: string): OutputFormat | undefined {
  const extension = extensionOf(name)
  return OUTPUT_FORMATS.find(format => EXTENSIONS[format].includes(extension))
}

/**
 * The format for a result of this name, or undefined where the name says nothing about it.
 * @param param what the name was given as, for messages
 * @throws UprezError `unsupported-format` for a name of a format that is not written here; `invalid-option` where another format is asked for
 */
export function formatForName(name: string, asked: OutputFormat | 'auto', param: string): OutputFormat | undefined {
  const named = formatOfName(name)
  if (named === undefined && UNWRITTEN.has(extensionOf(name))) {
    const expected = 'a name ending in .png, .jpg, .webp, .avif or .tiff'
    throw new UprezError('unsupported-format', `Expected ${expected} for ${param} but received ${name}`, { param, expected, got: name })
  }
  if (named !== undefined && asked !== 'auto' && asked !== named) {
    const expected = `a name for the format ${asked}`
    throw new UprezError('invalid-option', `Expected ${expected} for ${param} but received ${name}`, { param, expected, got: name })
  }
  return named
}

/** Picture formats that are not written here: such a name is a mistake, neither a folder nor a picture of another kind. */
const UNWRITTEN = new Set(['.gif', '.bmp', '.heic', '.heif', '.jxl', '.jp2', '.svg', '.ico'])

const extensionOf = (name: string): string => posix.extname(name).toLowerCase()
