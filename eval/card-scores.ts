import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeAtomic } from '../atomic.js'
import { UprezError } from '../errors.js'
import type { UpscaleCard } from '../models/card.js'
import { parseCard } from '../models/card.js'
import type { Model } from '../models/catalog.js'
import type { Evaluation } from './measure.js'
import { meanOf } from './measure.js'

/**
 * Puts the sets' scores onto the model's card, in place of older ones of the same sets; the rest of the card stays.
 * @returns the card's path
 * @throws UprezError `model-mismatch` where the card now describes another model than the one that was measured, `invalid-card`, `not-writable`
 */
export async function writeScores(model: Pick<Model, 'card' | 'folder'>, evaluations: readonly Evaluation[]): Promise<string> {
  const file = join(model.folder, 'card.json')
  const card: UpscaleCard = parseCard(JSON.parse(await readFile(file, 'utf8')), file)
  if (card.model.sha256 !== model.card.model.sha256) throw replaced(file, model.card, card)
  const own = evaluations.filter(({ methods }) => methods.includes(card.id))
  const fresh = own.map(({ set, images }) => {
    const { psnrY, ssimY, niqe } = meanOf(images, model.card.id)
    return { set: set.name, psnrY: rounded(psnrY), ssimY: rounded(ssimY), ...(niqe !== null && { niqe: rounded(niqe) }) }
  })
  const others = card.scores.filter(({ set }) => !fresh.some(score => score.set === set))
  const scored = { ...card, scores: [...others, ...fresh] }
  parseCard(scored, file)
  await writeAtomic(file, Buffer.from(`${JSON.stringify(scored, null, 2)}\n`), `${process.pid}`)
  return file
}

const rounded = (value: number): number => Number(value.toFixed(4))

function replaced(file: string, measured: UpscaleCard, found: UpscaleCard): UprezError {
  return new UprezError('model-mismatch', `${file}: the model was replaced while it was measured; its scores were not written`, {
    param: 'sha256',
    expected: measured.model.sha256,
    got: found.model.sha256,
  })
}
