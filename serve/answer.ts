import type { Response } from 'express'
import { UprezError } from '../errors.js'
import type { JobResult } from '../infer/engine.js'
import { contentDisposition, resultName } from './disposition.js'
import { MEDIA_TYPES } from './format.js'
import type { Order } from './intake.js'

/** The headers that go with a result, whether it is sent at once or was kept. */
export function setResultHeaders(
  res: Response,
  { name, scale: known }: Pick<Order, 'name' | 'scale'>,
  { format, model, width, height, input, provider }: Omit<JobResult, 'bytes'>,
  milliseconds: Record<string, number>,
): void {
  const scale = known ?? enlargement({ width, height }, input)
  res.set({
    'Content-Type': MEDIA_TYPES[format],
    'Content-Disposition': contentDisposition(resultName(name, scale, format)),
    'Server-Timing': serverTiming(milliseconds),
    'X-Model': model,
    'X-Uprez-Model': model,
    'X-Uprez-Scale': String(scale),
    'X-Uprez-Width': String(width),
    'X-Uprez-Height': String(height),
    'X-Uprez-Provider': provider,
  })
}

/** What the engine says when it is closed, or a model's folder is gone since it was offered, as the client hears it. */
export function cutShort(error: unknown): unknown {
  const { code } = error as { code?: unknown }
  return code === 'aborted' ? shuttingDown() : code === 'unknown-model' ? takenAway() : error
}

const takenAway = (): UprezError =>
  new UprezError('unknown-model', 'The model was taken away in the meantime', { param: 'model', expected: 'a model of GET /models' })

export const shuttingDown = (): UprezError => new UprezError('busy', 'The server is shutting down', { expected: 'another try' })

/** Along one side. By the areas, because an orientation may have exchanged the sides. */
const enlargement = (output: { width: number; height: number }, input: { width: number; height: number }): number =>
  Number(Math.sqrt((output.width * output.height) / (input.width * input.height)).toFixed(4))

const serverTiming = (milliseconds: Record<string, number>): string =>
  Object.entries(milliseconds)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(1)}`)
    .join(', ')
