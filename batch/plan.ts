import { stat } from 'node:fs/promises'
import { join, posix, relative } from 'node:path'
import { UprezError } from '../errors.js'
import { checkOutputSize, outputDepth, outputFormat } from '../infer/encode.js'
import type { OutputFormat } from '../infer/engine.js'
import { formatOfName } from '../infer/format-of-name.js'
import { targetFor } from '../infer/plan.js'
import type { UpscaleCard } from '../models/card.js'
import type { Entry, Header, Manifest, Recipe } from './manifest.js'
import { sameInput, sameRecipe } from './manifest.js'
import { nameOutputs } from './names.js'
import { type Destination, fileForSeveral, type IfExists } from './options.js'
import type { Candidate, Walked } from './walk.js'
import { isInside, toPlace } from './walk.js'

/** One picture to make. `entry` is the manifest's line for it, once it stands. */
export interface Task {
  source: Candidate
  output: string
  /** Size of the result. */
  target: { width: number; height: number }
  entry: Entry
  /** Something stands at the output's name and will be replaced. */
  replaces: boolean
}

export interface Failure {
  path: string
  error: UprezError
}

export interface Plan {
  tasks: Task[]
  /** Outputs that are there already and made from the same file in the same way. */
  done: Task[]
  skipped: Walked['skipped']
  /** Files that look like pictures and cannot be read. */
  failures: Failure[]
}

export interface PlanOptions {
  destination: Destination
  manifest: Manifest
  card: UpscaleCard
  recipe: Omit<Recipe, 'format'>
  suffix: string
  ifExists: IfExists
  readHeader: (path: string, page?: number) => Promise<Header>
  /** Where every page of a file is to make a picture. */
  countPages?: ((path: string) => Promise<number>) | undefined
}

/**
 * Settles before any work what will be made, under which name, and what is already done.
 * @throws UprezError `output-exists` (`ifExists: 'fail'`), `invalid-option` where an input would be overwritten or several pictures
 * would become one file
 */
export async function makePlan(walked: Walked, options: PlanOptions): Promise<Plan> {
  const { destination, manifest, card } = options
  const plan: Plan = { tasks: [], done: [], skipped: walked.skipped, failures: [...walked.failures] }
  const files = walked.candidates.filter(({ path, named }) => {
    const made = !named && isInside(path, destination.folder) && manifest.begun.has(toPlace(relative(destination.folder, path)))
    if (made) plan.skipped.push({ path, reason: 'made by an earlier run' })
    return !made
  })

  const candidates = (await mapPool(files, 8, file => pagesOf(file, options))).flat()
  if (destination.name !== undefined && candidates.length > 1)
    throw fileForSeveral(files.length > 1 ? 'pictures' : 'pages', destination.name)
  const headers = await mapPool(candidates, 8, source => headerOf(source, options))
  const formats = candidates.map(({ place }, i) => formatOf(headers[i], place, destination.format))
  // Unreadable files keep their part in the naming: mending one must not rename the others' outputs.
  const names =
    destination.name === undefined
      ? nameOutputs(
          candidates.map(({ path, place }, i) => ({ path, place, format: formats[i]! })),
          options.suffix,
        )
      : candidates.map(() => destination.name!)

  const taken = new Set(names)
  const inputs = new Set(candidates.map(({ path }) => path))
  const present: string[] = []
  for (const [i, source] of candidates.entries()) {
    const header = headers[i]!
    const recipe = { ...options.recipe, format: formats[i]! }
    if (header instanceof UprezError) {
      reject(source, header)
      continue
    }
    const task = makeTask(source, header, names[i]!, recipe)
    const impossible = recipeError(task)
    if (impossible !== undefined) {
      plan.failures.push({ path: source.path, error: impossible })
      continue
    }
    task.replaces = await exists(task.output)
    if (task.replaces && options.ifExists === 'rename') {
      plan.tasks.push(makeTask(source, header, await freeName(names[i]!), recipe))
      continue
    }
    if (inputs.has(task.output)) throw overwritesInput(task.output)
    if (task.replaces && options.ifExists === 'fail') present.push(task.output)
    if (task.replaces && options.ifExists === 'skip' && isDone(task)) plan.done.push(task)
    else plan.tasks.push(task)
  }
  if (present.length > 0) throw outputsExist(present)
  return plan

  function makeTask(source: Candidate, header: Header, name: string, recipe: Recipe): Task {
    const { place, size, mtimeMs } = source
    return {
      source,
      output: join(destination.folder, name),
      target: targetFor(recipe, header, card),
      entry: { output: name, input: place, size, mtimeMs, header, recipe },
      replaces: false,
    }
  }

  function isDone({ source, entry }: Task): boolean {
    const earlier = manifest.byOutput.get(entry.output)
    return earlier !== undefined && sameInput(earlier, source) && sameRecipe(earlier.recipe, entry.recipe)
  }

  /** What is named by hand, or is damaged, fails; a folder may hold pictures of a kind that is not read here. */
  function reject({ path, named }: Candidate, error: UprezError) {
    const unsupported = error.code === 'unsupported-format' || error.code === 'animated-image'
    if (unsupported && !named) plan.skipped.push({ path, reason: error.message })
    else plan.failures.push({ path, error })
  }

  async function freeName(name: string): Promise<string> {
    const { dir, name: stem, ext } = posix.parse(name)
    for (let n = 2; ; n++) {
      const free = posix.join(dir, `${stem}-${n}${ext}`)
      if (taken.has(free) || (await exists(join(destination.folder, free)))) continue
      taken.add(free)
      return free
    }
  }
}

/** One candidate for each page, `scan.tif` in the places `scan-p1.tif`, `scan-p2.tif`, …; a file of one page is its own. */
async function pagesOf(file: Candidate, { countPages }: PlanOptions): Promise<Candidate[]> {
  const count = (await countPages?.(file.path)) ?? 1
  if (count === 1) return [file]
  const { dir, name, ext } = posix.parse(file.place)
  return Array.from({ length: count }, (_, i) => ({ ...file, place: posix.join(dir, `${name}-p${i + 1}${ext}`), page: i + 1 }))
}

/** From the manifest where it knows this very file, else from the file; an error of ours comes back as a value. */
async function headerOf(source: Candidate, { manifest, readHeader }: PlanOptions): Promise<Header | UprezError> {
  const earlier = manifest.byInput.get(source.place)
  if (earlier !== undefined && sameInput(earlier, source)) return earlier.header
  try {
    const { format, width, height, depth } = await readHeader(source.path, source.page)
    return { format, width, height, depth }
  } catch (error) {
    if (error instanceof UprezError) return error
    throw error
  }
}

/** Of an unreadable file its name is believed. */
function formatOf(header: Header | UprezError | undefined, place: string, asked: OutputFormat | 'auto'): OutputFormat {
  const format = header === undefined || header instanceof UprezError ? formatOfName(place) : header.format
  return outputFormat(asked, format ?? 'png')
}

function recipeError({ target, entry: { recipe } }: Task): UprezError | undefined {
  try {
    outputDepth(recipe.depth, 8, recipe.format)
    checkOutputSize(target.width, target.height, recipe.format)
    return undefined
  } catch (error) {
    return error as UprezError
  }
}

function overwritesInput(path: string): UprezError {
  return new UprezError('invalid-option', `--output: ${path} is an input; name another folder, or a --suffix`, { param: 'output' })
}

function outputsExist(paths: string[]): UprezError {
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : ''
  return new UprezError('output-exists', `${paths[0]}${more} already there; --if-exists skip, overwrite or rename goes on`, {
    param: 'if-exists',
  })
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** `Promise.all` with at most `width` running. */
async function mapPool<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const i = next++
      results[i] = await work(items[i]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  return results
}
