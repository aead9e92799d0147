import type { UpscaleCard } from '../models/card.js'
import type { Evaluation, Method } from './measure.js'
import { METHODS, meanOf } from './measure.js'

/** What was measured, and on what. */
export interface Subject {
  card: UpscaleCard
  scale: number
  provider: string
  threads: number
}

const PROTOCOL =
  'low side: MATLAB bicubic reduction rounded to 8 bits; output 8-bit RGB; PSNR and SSIM of luma (16..235), the scale shaved from each border; mean over the images'
const TIMING = 'from the low PNG to the resulting PNG through the engine that serves, one picture at a time, per 10^6 output pixels'

/** A row for every set; for people. */
export function textReport({ card, scale, provider, threads }: Subject, evaluations: readonly Evaluation[]): string {
  const names: Record<Method, string> = { bilinear: 'bilinear', bicubic: 'bicubic', model: card.id }
  const rows = evaluations.map(({ set, images }) => {
    if (images.length === 0) return [set.name, '0', ...METHODS.map(() => '–'), '–']
    const scores = METHODS.map(method => meanOf(images, method))
    return [
      set.name,
      String(images.length),
      ...scores.map(({ psnrY, ssimY }) => `${psnrY.toFixed(2)} / ${ssimY.toFixed(4)}`),
      meanOf(images, 'model').secondsPerMegapixel.toFixed(3),
    ]
  })
  return [
    `${card.id} at ×${scale}: PSNR-Y in dB / SSIM-Y, on ${provider}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    '',
    ...table(['set', 'images', ...METHODS.map(method => names[method]), 's/megapixel'], rows),
    '',
    PROTOCOL,
    `s/megapixel: ${TIMING}`,
  ].join('\n')
}

/** Every figure of every picture; for programs. */
export function jsonReport({ card, scale, provider, threads }: Subject, evaluations: readonly Evaluation[]): string {
  const sets = evaluations.map(({ set, images, failures }) => ({
    set: set.name,
    folder: set.folder,
    mean: images.length === 0 ? null : Object.fromEntries(METHODS.map(method => [method, meanOf(images, method)])),
    images,
    failures: failures.map(({ file, error }) => ({ file, code: error.code, message: error.message })),
  }))
  const { id, model } = card
  return JSON.stringify({ model: id, sha256: model.sha256, scale, provider, threads, protocol: PROTOCOL, timing: TIMING, sets }, null, 2)
}

/** Columns as wide as they need to be: the first to the left, the rest to the right. */
function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]!.length)))
  const line = (row: string[]) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  return [line(head), widths.map(width => '-'.repeat(width)).join('  '), ...rows.map(line)]
}
