import { servingFile } from '../models/card.js'
import type { Model } from '../models/catalog.js'
import type { Precision } from '../models/precision.js'
import { type Evaluation, type Mean, meanOf, meanOfOriginals } from './measure.js'

/** What was measured, and on what. */
export interface Subject {
  models: readonly Model[]
  precision: Precision
  provider: string
  threads: number
  checks: boolean
}

const PROTOCOL =
  'low side: MATLAB bicubic reduction rounded to 8 bits, or the set’s own lq/; output 8-bit RGB; PSNR and SSIM of luma (16..235), PSNR also of RGB, the scale shaved from each border; mean over the images'
const NATURAL = 'NIQE (uprez fit): lower is more natural; its pristine model is ours, so compare it with figures of uprez eval only'
const TIMING =
  's/megapixel: a model from the low PNG to the resulting PNG through the engine that serves, one picture at a time; a kernel the resize alone; per 10^6 output pixels'
const CHECKS =
  'back to low: PSNR of the output’s MATLAB bicubic reduction to the low side; shift: of the channel means, in steps of 255; grid: power at the frequencies of the low side’s grid, as a multiple of the originals’'

/** One figure of a row: its heads in Markdown and in CSV, its digits in Markdown. */
interface Column {
  head: string
  csv: string
  digits: number
  value: (row: Partial<Mean>) => number | null | undefined
}

const COLUMNS: Column[] = [
  { head: 'PSNR-Y dB', csv: 'psnr_y_db', digits: 2, value: row => row.psnrY },
  { head: 'PSNR-RGB dB', csv: 'psnr_rgb_db', digits: 2, value: row => row.psnrRgb },
  { head: 'SSIM-Y', csv: 'ssim_y', digits: 4, value: row => row.ssimY },
  { head: 'NIQE (uprez fit)', csv: 'niqe_uprez_fit', digits: 2, value: row => row.niqe },
  { head: 's/megapixel', csv: 's_per_megapixel', digits: 3, value: row => row.secondsPerMegapixel },
]

const CHECK_COLUMNS: Column[] = [
  { head: 'back to low dB', csv: 'back_to_low_db', digits: 2, value: row => row.checks?.consistency },
  { head: 'shift', csv: 'shift', digits: 2, value: row => row.checks?.shift },
  { head: 'grid ×', csv: 'grid_ratio', digits: 2, value: row => row.checks?.grid },
]

/** A table for every scale, a row for every set and method; for people. */
export function markdownReport({ models, precision, provider, threads, checks }: Subject, evaluations: readonly Evaluation[]): string {
  const columns = columnsFor(checks)
  const scales = [...new Set(evaluations.map(({ scale }) => scale))]
  const tables = scales.flatMap(scale => {
    const rows = evaluations.filter(evaluation => evaluation.scale === scale).flatMap(evaluation => rowsOf(evaluation, columns))
    return [`### ×${scale}`, '', ...table(['set', 'images', 'method', ...columns.map(({ head }) => head)], rows), '']
  })
  const ids = models.map(({ card }) => card.id).join(', ')
  return [
    ...tables,
    `- ${ids} in ${precision} on ${provider}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    ...[PROTOCOL, NATURAL, TIMING, ...(checks ? [CHECKS] : [])].map(note => `- ${note}`),
  ].join('\n')
}

/** A line for every scale, set and method, with every digit; for spreadsheets. RFC 4180. */
export function csvReport({ checks }: Subject, evaluations: readonly Evaluation[]): string {
  const columns = columnsFor(checks)
  const lines = evaluations.flatMap(evaluation =>
    means(evaluation).map(([method, row]) => [
      String(evaluation.scale),
      evaluation.set.name,
      String(evaluation.images.length),
      method,
      ...columns.map(({ value }) => String(value(row) ?? '')),
    ]),
  )
  const head = ['scale', 'set', 'images', 'method', ...columns.map(({ csv }) => csv)]
  return [head, ...lines].map(line => line.map(quoted).join(',')).join('\n')
}

/** Every figure of every picture; for programs. null for a number that is not finite (PSNR of equal pictures) or not defined. */
export function jsonReport({ models, precision, provider, threads, checks }: Subject, evaluations: readonly Evaluation[]): string {
  const report = {
    models: models.map(({ card }) => ({ id: card.id, scale: card.scale, sha256: servingFile(card, precision).sha256 })),
    precision,
    provider,
    threads,
    notes: [PROTOCOL, NATURAL, TIMING, ...(checks ? [CHECKS] : [])],
    sets: evaluations.map(evaluation => ({
      set: evaluation.set.name,
      folder: evaluation.set.folder,
      scale: evaluation.scale,
      pairs: evaluation.set.scale !== null,
      mean: Object.fromEntries(means(evaluation)),
      images: evaluation.images,
      failures: evaluation.failures.map(({ picture, error }) => ({ name: picture.name, code: error.code, message: error.message })),
    })),
  }
  return JSON.stringify(report, null, 2)
}

const columnsFor = (checks: boolean): Column[] => (checks ? [...COLUMNS, ...CHECK_COLUMNS] : COLUMNS)

/** Rows of one set: every method, and the originals themselves; none where no picture could be measured. */
function means({ methods, images }: Evaluation): [name: string, row: Partial<Mean>][] {
  if (images.length === 0) return []
  return [...methods.map((name): [string, Partial<Mean>] => [name, meanOf(images, name)]), ['original', meanOfOriginals(images)]]
}

function rowsOf(evaluation: Evaluation, columns: Column[]): string[][] {
  const { set, images } = evaluation
  const rows = means(evaluation)
  if (rows.length === 0) return [[set.name, '0', '–', ...columns.map(() => '–')]]
  return rows.map(([method, row]) => [set.name, String(images.length), method, ...columns.map(column => cell(column, row))])
}

function cell({ value, digits }: Column, row: Partial<Mean>): string {
  const number = value(row)
  if (number === null || number === undefined) return '–'
  return number === Number.POSITIVE_INFINITY ? '∞' : number.toFixed(digits)
}

/** Columns as wide as they need to be, so that it also reads well unrendered: words to the left, numbers to the right. */
function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]!.length)))
  const isWord = (column: number) => head[column] === 'set' || head[column] === 'method'
  const line = (row: string[]) =>
    `| ${row.map((text, i) => (isWord(i) ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join(' | ')} |`
  const rule = widths.map((width, i) => (isWord(i) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)]
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
