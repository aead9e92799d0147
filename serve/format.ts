import type { Request } from 'express'
import { UprezError } from '../errors.js'
import type { OutputFormat } from '../infer/engine.js'
import type { InputFormat } from '../infer/sniff.js'

export const MEDIA_TYPES: Record<OutputFormat, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  webp: 'image/webp',
  avif: 'image/avif',
  tiff: 'image/tiff',
}

/**
 * The output format that the `Accept` header asks for. Where it leaves the choice to us (absent, a wildcard,
 * or several it likes equally), the one that follows from the input wins, and that is `auto`.
 * @throws UprezError `not-acceptable`
 */
export function negotiateFormat(req: Request, input: InputFormat): OutputFormat | 'auto' {
  const automatic = input === 'jpg' || input === 'webp' ? input : 'png'
  const formats = [...new Set<OutputFormat>([automatic, 'png', 'webp', 'jpg', 'avif', 'tiff'])]
  const accepted = req.accepts(formats.map(format => MEDIA_TYPES[format]))
  const chosen = formats.find(format => MEDIA_TYPES[format] === accepted)
  if (chosen !== undefined) return chosen === automatic ? 'auto' : chosen
  const expected = `one of ${Object.values(MEDIA_TYPES).join(', ')}`
  const got = req.headers.accept ?? ''
  throw new UprezError('not-acceptable', `Expected ${expected} in the Accept header but received ${got}`, {
    param: 'Accept',
    expected,
    got,
  })
}
