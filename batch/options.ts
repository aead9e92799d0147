import { realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve, sep } from 'node:path'
import { UprezError } from '../errors.js'
import type { Job, OutputFormat } from '../infer/engine.js'
import { formatForName } from '../infer/format-of-name.js'
import type { Size } from '../infer/size.js'
import type { Precision } from '../models/precision.js'

/** What to do where an output is already there. */
export type IfExists = 'skip' | 'overwrite' | 'rename' | 'fail'

/** The command's options, checked. */
export interface Options {
  input: string[]
  output: string
  model: string | undefined
  modelPath: string | undefined
  size: Size
  format: OutputFormat | 'auto'
  quality: number | undefined
  depth: NonNullable<Job['depth']>
  dpi: NonNullable<Job['dpi']>
  /** A TIFF of several pages makes as many pictures; else it is left alone. */
  allPages: boolean
  tile: number
  tta: boolean
  /** As `readProvider` takes it; undefined: UPREZ_PROVIDER, else auto. */
  provider: string | undefined
  /** undefined: UPREZ_PRECISION, else fp32. */
  precision: Precision | undefined
  suffix: string
  recursive: boolean
  /** Pictures in flight; undefined: chosen by us. */
  jobs: number | undefined
  ifExists: IfExists
  dryRun: boolean
  json: boolean
}

/** Where the results go: a folder, and the one file in it where `-o` names a file. */
export interface Destination {
  folder: string
  name: string | undefined
  format: OutputFormat | 'auto'
}

/**
 * What `-o` means: an existing folder, anything that ends in "/" or has no picture's extension is a folder;
 * a picture's name is a file, which settles the format and takes no suffix.
 * @throws UprezError `invalid-option`, `unsupported-format`
 */
export async function readDestination({
  input,
  output,
  format,
  suffix,
}: Pick<Options, 'input' | 'output' | 'format' | 'suffix'>): Promise<Destination> {
  const folder = { folder: await realPlace(output), name: undefined, format }
  if (output.endsWith('/') || output.endsWith(sep) || (await isFolder(output))) return folder
  const named = formatForName(output, format, 'output')
  if (named === undefined) return folder
  if (input.length > 1 || (await isFolder(input[0]!))) throw fileForSeveral('pictures', output)
  if (suffix !== '') {
    const expected = 'a folder for --output with --suffix'
    throw new UprezError('invalid-option', `Expected ${expected} but received a file name, ${output}`, {
      param: 'suffix',
      expected,
      got: output,
    })
  }
  return { folder: await realPlace(dirname(output)), name: basename(output), format: named }
}

export function fileForSeveral(what: 'pictures' | 'pages', name: string): UprezError {
  const expected = `a folder for several ${what}`
  return new UprezError('invalid-option', `--output: expected ${expected} but received a file name, ${name}`, {
    param: 'output',
    expected,
    got: name,
  })
}

/** The path without links, whether or not its last parts exist: outputs are compared with inputs. */
async function realPlace(path: string): Promise<string> {
  const whole = resolve(path)
  const real = await realpath(whole).catch(() => undefined)
  if (real !== undefined) return real
  return dirname(whole) === whole ? whole : join(await realPlace(dirname(whole)), basename(whole))
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}
